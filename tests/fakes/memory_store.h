// A checkpoint store in memory behind the seam of checkpoint/store.h: the same semantics, kept in
// the plainest way (every version of every state, for ever), and it fails when it is told to.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/store.h"

namespace longshore::fakes {

/// Thread: one. A test reads it before the lane's thread starts or after it ended.
class MemoryStore final : public checkpoint::Store {
 public:
  /// The changing call after `calls` more of them fails with `code`, and changes nothing.
  void fail_change(ErrorCode code, size_t calls = 0) { fault_ = Fault{code, calls}; }
  /// The same for every changing call from now on; empty: they work again.
  void fail_every_change(std::optional<ErrorCode> code) { every_ = code; }
  /// How many changing calls there were, failed ones included.
  size_t changes() const { return changes_; }

  Result<checkpoint::LaneRecord> lane(LaneId lane) override;
  Result<std::vector<LaneId>> lanes() override;
  Result<std::vector<checkpoint::StoredSource>> sources(LaneId lane) override;
  Result<std::optional<checkpoint::StoredSource>> source(SourceId source) override;
  Result<std::vector<checkpoint::PreparedSource>> prepared(LaneId lane) override;
  Status put_sources(const std::vector<checkpoint::SourceRow>& rows) override;
  Result<size_t> forget_gone(LaneId lane, int64_t before_ns, checkpoint::Unshipped losses) override;
  Status start_over(const std::string& cluster_id) override;
  Status forget(const std::vector<SourceId>& sources) override;
  Result<std::string> prepare(const checkpoint::Prepare& prepare) override;
  Status confirm(LaneId lane) override;
  Status drop_prepared(LaneId lane) override;
  Status step_back(LaneId lane) override;
  Status offset_committed(LaneId lane) override;
  Status adopt(LaneId lane, const checkpoint::CommittedOffset& kafka) override;
  Status advance(LaneId lane, const std::vector<checkpoint::PreparedSource>& sources,
                 const std::vector<LedgerEntry>& ledger = {}) override;
  Status probe(size_t bytes) override;
  Status append_ledger(const std::vector<LedgerEntry>& entries) override;
  Result<std::vector<LedgerEntry>> ledger() override;
  Result<std::vector<LedgerEntry>> unshipped(LaneId lane, size_t entries_max) override;
  Result<std::string> value(const std::string& name) override;
  Status set_value(const std::string& name, const std::string& value) override;

 private:
  struct Fault {
    ErrorCode code;
    size_t calls;
  };
  struct MemoryLane {
    uint64_t confirmed = 0;
    std::optional<uint64_t> prepared;
    bool is_new = true;
    std::map<uint64_t, std::string> digests;
  };
  struct Version {
    LaneId lane;
    checkpoint::SourceState state;
  };
  struct MemoryEntry {
    LedgerEntry entry;
    uint64_t born = 0;    // Its transaction; 0: none.
    int64_t shipped = 0;  // The one that ships it; 0: none yet, -1: for good.
  };
  using Versions = std::map<uint64_t, Version>;  // By transaction number.

  Status change();
  MemoryLane& lane_of(LaneId lane);
  checkpoint::StoredSource stored(const checkpoint::SourceRow& row);
  void erase_versions(LaneId lane, uint64_t number);
  void put_ledger(LaneId lane, uint64_t born, int64_t number,
                  const std::vector<LedgerEntry>& entries);
  void drop_ledger(LaneId lane, uint64_t number);

  std::map<LaneId, MemoryLane> lanes_;
  std::map<SourceId, checkpoint::SourceRow> rows_;
  std::map<SourceId, Versions> states_;
  std::map<std::string, std::string> values_;
  std::vector<MemoryEntry> ledger_;
  int64_t ledger_ids_ = 0;
  std::optional<Fault> fault_;
  std::optional<ErrorCode> every_;
  size_t changes_ = 0;
  size_t nonces_ = 0;
};

}  // namespace longshore::fakes
