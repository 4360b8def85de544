// The Store of store.h in SQLite. An operator can open the file with sqlite3; its tables:
//
//   lane(id, confirmed, prepared, is_new)              prepared: NULL when nothing is in doubt
//   batch(lane, number, digest)                        the last three transactions
//   source(id, lane, host_path, ...)                   shown by `checkpoint ls`
//   state(source, number, lane, generation, ...)       a source's state as of transaction `number`
//   ledger(id, time_ns, source, ..., born, shipped)    born, shipped: in which transactions
//   meta(name, value)
//
// The state of a source as of transaction M is its row with the greatest number <= M. PREPARE N
// keeps the rows that N-1 and N-2 need and deletes older ones.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "checkpoint/database.h"
#include "checkpoint/store.h"

namespace longshore::checkpoint {

/// `PRAGMA user_version` is major * 1000 + minor. A newer major version is refused; a newer minor
/// version only adds columns.
inline constexpr int64_t kSchemaMajor = 1;
inline constexpr int64_t kSchemaMinor = 3;

class SqliteStore final : public Store {
 public:
  explicit SqliteStore(std::unique_ptr<Database> database) : database_(std::move(database)) {}

  /// Creates the tables of a new database, or checks the version of an existing one.
  Status check_schema(bool read_only);

  Result<LaneRecord> lane(LaneId lane) override;
  Result<std::vector<LaneId>> lanes() override;
  Result<std::vector<StoredSource>> sources(LaneId lane) override;
  Result<std::optional<StoredSource>> source(SourceId source) override;
  Result<std::vector<PreparedSource>> prepared(LaneId lane) override;
  Status put_sources(const std::vector<SourceRow>& rows) override;
  Result<size_t> forget_gone(LaneId lane, int64_t before_ns, Unshipped losses) override;
  Status start_over(const std::string& cluster_id) override;
  Status forget(const std::vector<SourceId>& sources) override;
  Result<std::string> prepare(const Prepare& prepare) override;
  Status confirm(LaneId lane) override;
  Status drop_prepared(LaneId lane) override;
  Status step_back(LaneId lane) override;
  Status offset_committed(LaneId lane) override;
  Status adopt(LaneId lane, const CommittedOffset& kafka) override;
  Status advance(LaneId lane, const std::vector<PreparedSource>& sources,
                 const std::vector<LedgerEntry>& ledger = {}) override;
  Status probe(size_t bytes) override;
  Status append_ledger(const std::vector<LedgerEntry>& entries) override;
  Result<std::vector<LedgerEntry>> ledger() override;
  Result<std::vector<LedgerEntry>> unshipped(LaneId lane, size_t entries_max) override;
  Result<std::string> value(const std::string& name) override;
  Status set_value(const std::string& name, const std::string& value) override;

 private:
  Status make_lane(LaneId lane);
  Result<std::string> digest_of(LaneId lane, uint64_t number);
  Status put_state(LaneId lane, uint64_t number, const PreparedSource& source);
  /// Inserts new entries as born in transaction `born`; `number` ships those marked as shipped.
  Status put_ledger(LaneId lane, uint64_t born, int64_t number,
                    const std::vector<LedgerEntry>& entries);
  /// Adds the columns of newer minor versions.
  Status upgrade();
  /// Runs statements whose only parameter is the lane, in a transaction of their own.
  Status change_lane(LaneId lane, std::initializer_list<const char*> statements);

  std::unique_ptr<Database> database_;
};

}  // namespace longshore::checkpoint
