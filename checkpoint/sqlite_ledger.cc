// The ledger's rows. `born` is the transaction in which the event happened; 0: outside of any.
// `shipped` is the transaction that carries the entry to Kafka; 0: it waits for one; -1: shipped,
// and no transaction can undo that. Dropping a transaction deletes the entries born in it; those
// that it would have shipped wait again.
#include <charconv>
#include <string>
#include <string_view>

#include "checkpoint/sqlite_store.h"

namespace longshore::checkpoint {
namespace {

#define LONGSHORE_LEDGER_COLUMNS                                                           \
  "id, time_ns, source, lane, start_bytes, end_bytes, reason, detail, event, generation, " \
  "shipped, about"

// RefusedLog in one column: its texts, none of which can hold a NUL, and the count, each followed
// by a NUL. Empty for other entries.
std::string about_column(const LedgerEntry& entry) {
  std::string column;
  if (entry.event != LedgerEvent::kRefused) return column;
  const RefusedLog& log = entry.refused;
  const std::string count = std::to_string(log.count);
  for (const std::string* text :
       {&log.name, &log.path, &log.container_id, &log.container_name, &log.topic, &count}) {
    column.append(*text).append(1, '\0');
  }
  return column;
}

RefusedLog read_about(std::string_view column) {
  RefusedLog log;
  std::string count;
  for (std::string* const text :
       {&log.name, &log.path, &log.container_id, &log.container_name, &log.topic, &count}) {
    const size_t end = column.find('\0');
    if (end == std::string_view::npos) break;
    *text = column.substr(0, end);
    column.remove_prefix(end + 1);
  }
  std::from_chars(count.data(), count.data() + count.size(), log.count);
  return log;
}

LedgerEntry read_entry(const Statement& row) {
  return {.time_ns = row.number(1),
          .source = {row.bits(2)},
          .lane = {static_cast<uint32_t>(row.number(3))},
          .start = {row.bits(4)},
          .end = {row.bits(5)},
          .reason = row.bytes(6),
          .detail = row.bytes(7),
          .event = static_cast<LedgerEvent>(row.number(8)),
          .generation = row.bits(9),
          .id = row.number(0),
          .shipped = row.number(10) != 0,
          .refused = read_about(row.bytes(11))};
}

}  // namespace

Status SqliteStore::put_ledger(LaneId lane, uint64_t born, int64_t number,
                               const std::vector<LedgerEntry>& entries) {
  for (const LedgerEntry& entry : entries) {
    if (entry.id != 0) {
      if (!entry.shipped) continue;
      Statement row = database_->prepare("UPDATE ledger SET shipped = ? WHERE id = ?");
      row.bind(number).bind(entry.id);
      if (Status done = database_->finish(row); !done) return done;
      continue;
    }
    Statement row = database_->prepare(
        "INSERT INTO ledger(time_ns, source, lane, start_bytes, end_bytes, reason, detail, event, "
        "generation, born, shipped, about) VALUES(?,?,?,?,?,?,?,?,?,?,?,?)");
    row.bind(entry.time_ns)
        .bind(entry.source.value)
        .bind(int64_t{entry.lane.value})
        .bind(entry.start.bytes)
        .bind(entry.end.bytes)
        .bind_text(entry.reason)
        .bind_text(entry.detail)
        .bind(static_cast<int64_t>(entry.event))
        .bind(entry.generation)
        .bind(born)
        .bind(entry.shipped ? number : int64_t{0})
        .bind_blob(about_column(entry));
    if (Status done = database_->finish(row); !done) return done;
  }
  // Once its transaction can no longer be dropped, a shipped entry is of use only if it is a loss,
  // a doubt or a refusal.
  Statement old = database_->prepare(
      "DELETE FROM ledger WHERE lane = ?1 AND shipped <> 0 AND shipped + 2 <= ?2 AND event < 3");
  old.bind(int64_t{lane.value}).bind(number);
  return database_->finish(old);
}

Status SqliteStore::append_ledger(const std::vector<LedgerEntry>& entries) {
  WriteTransaction transaction(*database_);
  if (Status begun = transaction.begin(); !begun) return begun;
  for (const LedgerEntry& entry : entries) {
    if (Status put = put_ledger(entry.lane, 0, 0, {entry}); !put) return put;
  }
  return transaction.commit();
}

Result<std::vector<LedgerEntry>> SqliteStore::ledger() {
  std::vector<LedgerEntry> entries;
  Statement rows =
      database_->prepare("SELECT " LONGSHORE_LEDGER_COLUMNS " FROM ledger ORDER BY id");
  int step = rows.step();
  for (; step == SQLITE_ROW; step = rows.step()) entries.push_back(read_entry(rows));
  if (step != SQLITE_DONE) return database_->fail("The checkpoint cannot be read");
  return entries;
}

Result<std::vector<LedgerEntry>> SqliteStore::unshipped(LaneId lane, size_t entries_max) {
  std::vector<LedgerEntry> entries;
  Statement rows = database_->prepare("SELECT " LONGSHORE_LEDGER_COLUMNS
                                      " FROM ledger WHERE lane = ? AND shipped = 0 ORDER BY id "
                                      "LIMIT ?");
  rows.bind(int64_t{lane.value}).bind(uint64_t{entries_max});
  int step = rows.step();
  for (; step == SQLITE_ROW; step = rows.step()) entries.push_back(read_entry(rows));
  if (step != SQLITE_DONE) return database_->fail("The checkpoint cannot be read");
  return entries;
}

}  // namespace longshore::checkpoint
