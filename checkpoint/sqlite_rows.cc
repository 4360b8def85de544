// The rest of the SQLite store: sources, named values, and adopting Kafka's number.
#include "checkpoint/sqlite_store.h"
#include "checkpoint/state_columns.h"

namespace longshore::checkpoint {

Status SqliteStore::put_sources(const std::vector<SourceRow>& rows) {
  WriteTransaction transaction(*database_);
  if (Status begun = transaction.begin(); !begun) return begun;
  for (const SourceRow& row : rows) {
    Statement statement = database_->prepare(
        "INSERT OR REPLACE INTO source(" LONGSHORE_SOURCE_COLUMNS ") VALUES(?,?,?,?,?,?,?,?,?)");
    bind_source(statement, row);
    if (Status done = database_->finish(statement); !done) return done;
  }
  return transaction.commit();
}

Status SqliteStore::start_over(const std::string& cluster_id) {
  WriteTransaction transaction(*database_);
  if (Status begun = transaction.begin(); !begun) return begun;
  const auto stored = value("cluster_id");
  if (!stored) return stored.error();
  if (stored.value() == cluster_id) return ok();
  for (const char* sql : {"DELETE FROM state", "DELETE FROM source"}) {
    if (Status done = database_->run(sql); !done) return done;
  }
  if (Status set = set_value("cluster_id", cluster_id); !set) return set;
  return transaction.commit();
}

Status SqliteStore::forget(const std::vector<SourceId>& sources) {
  WriteTransaction transaction(*database_);
  if (Status begun = transaction.begin(); !begun) return begun;
  for (const SourceId source : sources) {
    for (const char* sql :
         {"DELETE FROM state WHERE source = ?", "DELETE FROM source WHERE id = ?"}) {
      Statement statement = database_->prepare(sql);
      statement.bind(source.value);
      if (Status done = database_->finish(statement); !done) return done;
    }
  }
  return transaction.commit();
}

Result<size_t> SqliteStore::forget_gone(LaneId lane, int64_t before_ns, Unshipped losses) {
  std::vector<SourceId> gone;
  {
    Statement rows =
        database_->prepare("SELECT id FROM source WHERE lane = ? AND gone_ns <> 0 AND gone_ns < ?");
    rows.bind(int64_t{lane.value}).bind(before_ns);
    int step = rows.step();
    for (; step == SQLITE_ROW; step = rows.step()) gone.push_back({rows.bits(0)});
    if (step != SQLITE_DONE) return database_->fail("The checkpoint cannot be read");
  }
  {
    Statement old = database_->prepare(
        "DELETE FROM ledger WHERE lane = ?1 AND time_ns < ?2 AND (?3 OR event < 3 OR "
        "(shipped <> 0 AND shipped + 2 <= (SELECT confirmed FROM lane WHERE id = ?1)))");
    old.bind(int64_t{lane.value}).bind(before_ns).bind(int64_t{losses == Unshipped::kForget});
    if (Status done = database_->finish(old); !done) return done.error();
  }
  if (gone.empty()) return size_t{0};
  if (Status forgotten = forget(gone); !forgotten) return forgotten.error();
  return gone.size();
}

Status SqliteStore::advance(LaneId lane, const std::vector<PreparedSource>& sources,
                            const std::vector<LedgerEntry>& ledger) {
  const auto record = this->lane(lane);
  if (!record) return record.error();
  WriteTransaction transaction(*database_);
  if (Status begun = transaction.begin(); !begun) return begun;
  for (const PreparedSource& source : sources) {
    const Status put = put_state(lane, record.value().confirmed.value, source);
    if (!put) return put;
  }
  // Already acknowledged, so shipped for good, whatever happens to the next transaction.
  if (Status put = put_ledger(lane, 0, -1, ledger); !put) return put;
  return transaction.commit();
}

Status SqliteStore::adopt(LaneId lane, const CommittedOffset& kafka) {
  if (!kafka.number) {
    return Error{ErrorCode::kInvalid,
                 "Kafka has no committed offset of this lane: there is nothing to adopt."};
  }
  const auto record = this->lane(lane);
  if (!record) return record.error();
  const uint64_t confirmed = record.value().confirmed.value;
  WriteTransaction transaction(*database_);
  if (Status begun = transaction.begin(); !begun) return begun;
  // Every source keeps its confirmed state, now tagged with Kafka's number. Other states are
  // deleted first, so that no two rows of a source get the same number.
  const uint64_t number = kafka.number->value;
  struct Change {
    const char* sql;
    uint64_t value;
  };
  for (const Change& change : {
           Change{"DELETE FROM state WHERE lane = ?1 AND (number > ?2 OR number < (SELECT "
                  "MAX(number) FROM state AS s WHERE s.source = state.source AND s.number <= ?2))",
                  confirmed},
           Change{"UPDATE state SET number = ?2 WHERE lane = ?1", number},
           Change{"UPDATE lane SET confirmed = ?2, prepared = NULL, is_new = 0 WHERE id = ?1",
                  number},
           Change{"DELETE FROM batch WHERE lane = ?1 AND ?2 = ?2", number},
           Change{"DELETE FROM ledger WHERE lane = ?1 AND born > ?2", confirmed},
           Change{"UPDATE ledger SET born = 0, shipped = -(shipped <> 0 AND shipped <= ?2) "
                  "WHERE lane = ?1",
                  confirmed},
       }) {
    Statement statement = database_->prepare(change.sql);
    statement.bind(int64_t{lane.value}).bind(change.value);
    if (Status done = database_->finish(statement); !done) return done;
  }
  {
    Statement batch = database_->prepare("INSERT INTO batch(lane, number, digest) VALUES(?,?,?)");
    batch.bind(int64_t{lane.value}).bind(number).bind_text(kafka.digest);
    if (Status done = database_->finish(batch); !done) return done;
  }
  return transaction.commit();
}

// Overwriting takes new pages of the write-ahead log, as a PREPARE does.
Status SqliteStore::probe(size_t bytes) { return set_value("probe", std::string(bytes, 'x')); }

Result<std::string> SqliteStore::value(const std::string& name) {
  Statement row = database_->prepare("SELECT value FROM meta WHERE name = ?");
  row.bind_text(name);
  const int step = row.step();
  if (step == SQLITE_ROW) return row.bytes(0);
  if (step == SQLITE_DONE) return std::string();
  return database_->fail("The checkpoint cannot be read");
}

Status SqliteStore::set_value(const std::string& name, const std::string& value) {
  Statement row = database_->prepare("INSERT OR REPLACE INTO meta(name, value) VALUES(?,?)");
  row.bind_text(name).bind_text(value);
  return database_->finish(row);
}

Result<std::unique_ptr<Store>> open_store(const std::string& state_dir, StoreAccess access) {
  const bool read_only = access == StoreAccess::kRead;
  if (!read_only) {
    if (Status finished = finish_rebuild(state_dir); !finished) return finished.error();
  }
  auto database = Database::open(state_dir + "/checkpoint.db", read_only);
  if (!database) return database.error();
  auto store = std::make_unique<SqliteStore>(std::move(database).value());
  if (Status checked = store->check_schema(read_only); !checked) {
    return Error{ErrorCode::kInvalid, checked.error().message};
  }
  return std::unique_ptr<Store>(std::move(store));
}

}  // namespace longshore::checkpoint
