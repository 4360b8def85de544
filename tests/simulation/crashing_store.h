// A checkpoint store at each of whose calls the agent may be killed, before and behind it, and
// whose disk fails now and then.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "checkpoint/store.h"
#include "tests/simulation/timeline.h"

namespace longshore::simulation {

struct StoreFaults {
  double full = 0;   ///< The change fails, nothing was changed.
  double fatal = 0;  ///< The fsync failed; the handle is dead, the change perhaps done.
};

/// Thread: the run's. One a life of the agent; `store` holds what is durable.
class CrashingStore final : public checkpoint::Store {
 public:
  CrashingStore(Timeline& timeline, StoreFaults faults, checkpoint::Store& store)
      : timeline_(timeline), faults_(faults), store_(store) {}

  Result<checkpoint::LaneRecord> lane(LaneId lane) override { return store_.lane(lane); }
  Result<std::vector<LaneId>> lanes() override { return store_.lanes(); }
  Result<std::vector<checkpoint::StoredSource>> sources(LaneId lane) override {
    return store_.sources(lane);
  }
  Result<std::optional<checkpoint::StoredSource>> source(SourceId source) override {
    return store_.source(source);
  }
  Result<std::vector<checkpoint::PreparedSource>> prepared(LaneId lane) override {
    return store_.prepared(lane);
  }
  Result<std::vector<LedgerEntry>> ledger() override { return store_.ledger(); }
  Result<std::vector<LedgerEntry>> unshipped(LaneId lane, size_t max) override {
    return store_.unshipped(lane, max);
  }
  Result<std::string> value(const std::string& name) override { return store_.value(name); }

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
                 const std::vector<LedgerEntry>& ledger) override;
  Status probe(size_t bytes) override;
  Status append_ledger(const std::vector<LedgerEntry>& entries) override;
  Status set_value(const std::string& name, const std::string& value) override;

 private:
  template <typename Outcome, typename Change>
  Outcome change(const char* what, Change change);

  Timeline& timeline_;
  const StoreFaults faults_;
  checkpoint::Store& store_;
  bool dead_ = false;
};

}  // namespace longshore::simulation
