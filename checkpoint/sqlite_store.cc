#include "checkpoint/sqlite_store.h"

#include <sys/random.h>
#include <xxhash.h>

#include <cassert>
#include <cstdio>

#include "checkpoint/state_columns.h"

namespace longshore::checkpoint {
namespace {

constexpr int64_t kApplicationId = 0x6c6f6e67;  // "long"
constexpr char kSchema[] = R"(
  PRAGMA application_id = 1819242087;
  CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE lane(id INTEGER PRIMARY KEY, confirmed INTEGER NOT NULL, prepared INTEGER,
    is_new INTEGER NOT NULL);
  CREATE TABLE batch(lane INTEGER, number INTEGER, digest TEXT NOT NULL,
    PRIMARY KEY(lane, number)) WITHOUT ROWID;
  CREATE TABLE source(id INTEGER PRIMARY KEY, lane INTEGER NOT NULL, host_path TEXT NOT NULL,
    stream TEXT NOT NULL, name TEXT NOT NULL, container_id TEXT NOT NULL,
    container_name TEXT NOT NULL, first_seen_ns INTEGER NOT NULL, gone_ns INTEGER NOT NULL);
  CREATE INDEX source_by_lane ON source(lane);
  CREATE TABLE state(source INTEGER, number INTEGER, lane INTEGER NOT NULL,
    generation INTEGER, device INTEGER, inode INTEGER, birth_ns INTEGER, base INTEGER,
    offset INTEGER, covered INTEGER, part INTEGER, gap_pending INTEGER, topic TEXT,
    partition INTEGER, tail BLOB, marks BLOB, closed BLOB, ended INTEGER DEFAULT 0,
    seen_bytes INTEGER DEFAULT 0, boot INTEGER DEFAULT 0, begun BLOB,
    file_path TEXT DEFAULT '', ends BLOB, proof BLOB,
    PRIMARY KEY(source, number)) WITHOUT ROWID;
  CREATE INDEX state_by_number ON state(lane, number);
  CREATE TABLE ledger(id INTEGER PRIMARY KEY, time_ns INTEGER, source INTEGER, lane INTEGER,
    start_bytes INTEGER, end_bytes INTEGER, reason TEXT, detail TEXT, event INTEGER DEFAULT 3,
    generation INTEGER DEFAULT 0, born INTEGER DEFAULT 0, shipped INTEGER DEFAULT 0,
    about BLOB DEFAULT '');
  CREATE INDEX ledger_by_shipped ON ledger(lane, shipped);
  PRAGMA user_version = 1003;
)";
// Version 1.1 added a state's end, size and boot, and the shipping of the ledger.
constexpr char kSchemaFrom0[] = R"(
  ALTER TABLE state ADD COLUMN ended INTEGER DEFAULT 0;
  ALTER TABLE state ADD COLUMN seen_bytes INTEGER DEFAULT 0;
  ALTER TABLE state ADD COLUMN boot INTEGER DEFAULT 0;
  ALTER TABLE ledger ADD COLUMN event INTEGER DEFAULT 3;
  ALTER TABLE ledger ADD COLUMN generation INTEGER DEFAULT 0;
  ALTER TABLE ledger ADD COLUMN born INTEGER DEFAULT 0;
  ALTER TABLE ledger ADD COLUMN shipped INTEGER DEFAULT 0;
  CREATE INDEX ledger_by_shipped ON ledger(lane, shipped);
)";
// Version 1.2 added the beginning of a line.
constexpr char kSchemaFrom1[] = R"(
  ALTER TABLE state ADD COLUMN begun BLOB;
)";
// Version 1.3 added where the target of a symlink stood, where closed generations ended, when a
// file was last known to be as read, and the declared log that a refusal is about.
constexpr char kSchemaFrom2[] = R"(
  ALTER TABLE state ADD COLUMN file_path TEXT DEFAULT '';
  ALTER TABLE state ADD COLUMN ends BLOB;
  ALTER TABLE state ADD COLUMN proof BLOB;
  ALTER TABLE ledger ADD COLUMN about BLOB DEFAULT '';
  PRAGMA user_version = 1003;
)";
// By the minor version that they upgrade.
constexpr const char* kUpgrades[kSchemaMinor] = {kSchemaFrom0, kSchemaFrom1, kSchemaFrom2};

#define LONGSHORE_CONFIRMED_STATE                                                   \
  " LEFT JOIN state ON state.source = source.id AND state.number = "                \
  "(SELECT MAX(number) FROM state AS s WHERE s.source = source.id AND s.number <= " \
  "(SELECT confirmed FROM lane WHERE lane.id = source.lane)) "

std::string random_hex() {
  uint64_t random = 0;
  // Requests of up to 256 bytes are never cut short; getrandom(2).
  if (::getrandom(&random, sizeof random, 0) != sizeof random) random = 0;
  char hex[17];
  std::snprintf(hex, sizeof hex, "%016llx", static_cast<unsigned long long>(random));
  return hex;
}

Result<StoredSource> read_stored(const Statement& statement) {
  auto state = read_state(statement, 9);
  if (!state) return state.error();
  return StoredSource{read_source(statement), std::move(state).value()};
}

}  // namespace

Status SqliteStore::check_schema(bool read_only) {
  const auto refuse = [this](const std::string& what) {
    return invalid("The checkpoint " + database_->path() + " " + what);
  };
  const auto version = database_->pragma("PRAGMA user_version");
  const auto application = database_->pragma("PRAGMA application_id");
  if (!version || !application) {
    return refuse(
        "is damaged and cannot be read. Restore it, or remove it (then every file is sent again).");
  }
  const bool empty = database_->pragma("SELECT COUNT(*) FROM sqlite_schema") == 0;
  if (*version == 0 && *application == 0 && empty && !read_only) {
    WriteTransaction transaction(*database_);
    if (Status begun = transaction.begin(); !begun) return begun;
    if (Status made = database_->run(kSchema); !made) return made;
    return transaction.commit();
  }
  if (*application != kApplicationId)
    return refuse("was not written by longshore: choose another --state-dir.");
  if (*version / 1000 > kSchemaMajor) {
    return refuse("was written by a newer longshore (schema " + std::to_string(*version / 1000) +
                  ", this one knows " + std::to_string(kSchemaMajor) +
                  "). Nothing was changed. Run that version again; with another --state-dir every "
                  "file would be sent again.");
  }
  const auto tables = database_->pragma(
      "SELECT COUNT(*) FROM sqlite_schema WHERE type = 'table' AND name IN "
      "('meta', 'lane', 'batch', 'source', 'state', 'ledger')");
  if (tables != 6) {
    return refuse(
        "is damaged: tables are missing. Restore it, or remove it (then every file is sent "
        "again).");
  }
  if (*version % 1000 >= kSchemaMinor) return ok();
  if (read_only)
    return refuse("was written by an older longshore: start this version's agent with it once.");
  return upgrade();
}

Status SqliteStore::upgrade() {
  WriteTransaction transaction(*database_);
  if (Status begun = transaction.begin(); !begun) return begun;
  // Another lane's connection may have upgraded it meanwhile.
  const int64_t from = database_->pragma("PRAGMA user_version").value_or(0) % 1000;
  for (int64_t minor = from; minor < kSchemaMinor; ++minor) {
    if (Status made = database_->run(kUpgrades[minor]); !made) return made;
  }
  return transaction.commit();
}

Status SqliteStore::make_lane(LaneId lane) {
  WriteTransaction transaction(*database_);
  if (Status begun = transaction.begin(); !begun) return begun;
  {
    Statement row = database_->prepare(
        "INSERT OR IGNORE INTO lane(id, confirmed, prepared, is_new) VALUES(?, 0, NULL, 1)");
    row.bind(int64_t{lane.value});
    if (Status done = database_->finish(row); !done) return done;
    Statement batch =
        database_->prepare("INSERT OR IGNORE INTO batch(lane, number, digest) VALUES(?, 0, ?)");
    batch.bind(int64_t{lane.value}).bind_text("0:" + random_hex());
    if (Status done = database_->finish(batch); !done) return done;
  }
  return transaction.commit();
}

Result<std::string> SqliteStore::digest_of(LaneId lane, uint64_t number) {
  Statement batch = database_->prepare("SELECT digest FROM batch WHERE lane = ? AND number = ?");
  batch.bind(int64_t{lane.value}).bind(number);
  const int step = batch.step();
  if (step == SQLITE_ROW) return batch.bytes(0);
  if (step == SQLITE_DONE) return std::string();
  return database_->fail("The checkpoint cannot be read");
}

Result<LaneRecord> SqliteStore::lane(LaneId lane) {
  LaneRecord record;
  {
    // We write only such rows: `prepared` is `confirmed` + 1, which does not overflow.
    Statement row = database_->prepare(
        "SELECT confirmed, IFNULL(prepared, -1), is_new, typeof(confirmed) = 'integer' AND "
        "confirmed BETWEEN 0 AND (1 << 60) AND (prepared IS NULL OR prepared = confirmed + 1) "
        "FROM lane WHERE id = ?");
    row.bind(int64_t{lane.value});
    const int step = row.step();
    if (step == SQLITE_ROW && row.number(3) == 0) {
      return Error{ErrorCode::kInvalid,
                   "The checkpoint's entry of lane " + std::to_string(lane.value) +
                       " is damaged. Restore the state directory, or remove it (then every file is "
                       "sent again)."};
    }
    if (step == SQLITE_ROW) {
      record.confirmed = {row.bits(0)};
      if (row.number(1) >= 0) record.prepared = TransactionNumber{row.bits(1)};
      record.is_new = row.number(2) != 0;
    } else if (step != SQLITE_DONE) {
      return database_->fail("The checkpoint cannot be read");
    } else if (Status made = make_lane(lane); !made) {
      return made.error();
    }
  }
  const uint64_t confirmed = record.confirmed.value;
  auto digest = digest_of(lane, confirmed);
  if (!digest) return digest.error();
  record.confirmed_digest = std::move(digest).value();
  if (confirmed > 0) {
    digest = digest_of(lane, confirmed - 1);
    if (!digest) return digest.error();
    record.previous_digest = std::move(digest).value();
  }
  if (record.prepared) {
    digest = digest_of(lane, record.prepared->value);
    if (!digest) return digest.error();
    record.prepared_digest = std::move(digest).value();
  }
  return record;
}

Result<std::vector<LaneId>> SqliteStore::lanes() {
  std::vector<LaneId> lanes;
  Statement rows = database_->prepare("SELECT id FROM lane ORDER BY id");
  int step = rows.step();
  for (; step == SQLITE_ROW; step = rows.step()) {
    lanes.push_back({static_cast<uint32_t>(rows.number(0))});
  }
  if (step != SQLITE_DONE) return database_->fail("The checkpoint cannot be read");
  return lanes;
}

Result<std::vector<StoredSource>> SqliteStore::sources(LaneId lane) {
  std::vector<StoredSource> sources;
  Statement rows = database_->prepare(
      "SELECT source.id, source.lane, host_path, stream, name, container_id, "
      "container_name, first_seen_ns, gone_ns, " LONGSHORE_STATE_COLUMNS
      " FROM source" LONGSHORE_CONFIRMED_STATE "WHERE source.lane = ? ORDER BY source.id");
  rows.bind(int64_t{lane.value});
  int step = rows.step();
  for (; step == SQLITE_ROW; step = rows.step()) {
    auto stored = read_stored(rows);
    if (!stored) return stored.error();
    sources.push_back(std::move(stored).value());
  }
  if (step != SQLITE_DONE) return database_->fail("The checkpoint cannot be read");
  return sources;
}

Result<std::optional<StoredSource>> SqliteStore::source(SourceId source) {
  Statement row = database_->prepare(
      "SELECT source.id, source.lane, host_path, stream, name, container_id, "
      "container_name, first_seen_ns, gone_ns, " LONGSHORE_STATE_COLUMNS
      " FROM source" LONGSHORE_CONFIRMED_STATE "WHERE source.id = ?");
  row.bind(source.value);
  const int step = row.step();
  if (step == SQLITE_DONE) return std::optional<StoredSource>();
  if (step != SQLITE_ROW) return database_->fail("The checkpoint cannot be read");
  auto stored = read_stored(row);
  if (!stored) return stored.error();
  return std::optional<StoredSource>(std::move(stored).value());
}

Result<std::vector<PreparedSource>> SqliteStore::prepared(LaneId lane) {
  std::vector<PreparedSource> prepared;
  Statement rows = database_->prepare("SELECT source, " LONGSHORE_STATE_COLUMNS
                                      " FROM state WHERE lane = ?1 AND number = "
                                      "(SELECT prepared FROM lane WHERE id = ?1) ORDER BY source");
  rows.bind(int64_t{lane.value});
  int step = rows.step();
  for (; step == SQLITE_ROW; step = rows.step()) {
    auto state = read_state(rows, 1);
    if (!state) return state.error();
    prepared.push_back({SourceId{rows.bits(0)}, std::move(state).value()});
  }
  if (step != SQLITE_DONE) return database_->fail("The checkpoint cannot be read");
  return prepared;
}

Status SqliteStore::put_state(LaneId lane, uint64_t number, const PreparedSource& source) {
  // The states as of the two transactions before `number` are kept.
  Statement old = database_->prepare(
      "DELETE FROM state WHERE source = ?1 AND number < "
      "(SELECT MAX(number) FROM state WHERE source = ?1 AND number <= ?2 - 2)");
  old.bind(source.source.value).bind(number);
  if (Status done = database_->finish(old); !done) return done;
  Statement row = database_->prepare(
      "INSERT OR REPLACE INTO state(source, number, lane, " LONGSHORE_STATE_COLUMNS
      ") VALUES(?,?,?," LONGSHORE_STATE_PARAMETERS ")");
  row.bind(source.source.value).bind(number).bind(int64_t{lane.value});
  bind_state(row, source.state);
  return database_->finish(row);
}

Result<std::string> SqliteStore::prepare(const Prepare& prepare) {
  const uint64_t number = prepare.number.value;
  std::string bytes = std::to_string(prepare.lane.value) + " " + std::to_string(number);
  for (const PreparedSource& source : prepare.sources) bytes += state_bytes(source);
  const std::string nonce = random_hex();
  bytes += nonce;
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  char hex[33];
  std::snprintf(hex, sizeof hex, "%016llx%016llx", static_cast<unsigned long long>(hash.high64),
                static_cast<unsigned long long>(hash.low64));
  const std::string digest = std::to_string(number) + ":" + nonce + ":" + hex;

  WriteTransaction transaction(*database_);
  if (Status begun = transaction.begin(); !begun) return begun.error();
  {
    Statement lane = database_->prepare(
        "UPDATE lane SET confirmed = ?2 - 1, is_new = (is_new AND prepared IS NULL), prepared = ?2 "
        "WHERE id = ?1 AND "
        "(prepared = ?2 - 1 OR (prepared IS NULL AND confirmed = ?2 - 1)) RETURNING id");
    lane.bind(int64_t{prepare.lane.value}).bind(number);
    const int step = lane.step();
    if (step != SQLITE_ROW && step != SQLITE_DONE) {
      return database_->fail("The checkpoint cannot be written");
    }
    assert(step == SQLITE_ROW);  // Else the number is not the next one, which is our bug.
  }
  for (const PreparedSource& source : prepare.sources) {
    if (Status put = put_state(prepare.lane, number, source); !put) return put.error();
  }
  if (Status put = put_ledger(prepare.lane, number, static_cast<int64_t>(number), prepare.ledger);
      !put) {
    return put.error();
  }
  {
    Statement old = database_->prepare("DELETE FROM batch WHERE lane = ?1 AND number < ?2 - 2");
    old.bind(int64_t{prepare.lane.value}).bind(number);
    if (Status done = database_->finish(old); !done) return done.error();
    Statement batch =
        database_->prepare("INSERT OR REPLACE INTO batch(lane, number, digest) VALUES(?,?,?)");
    batch.bind(int64_t{prepare.lane.value}).bind(number).bind_text(digest);
    if (Status done = database_->finish(batch); !done) return done.error();
  }
  if (Status committed = transaction.commit(); !committed) return committed.error();
  return digest;
}

Status SqliteStore::change_lane(LaneId lane, std::initializer_list<const char*> statements) {
  WriteTransaction transaction(*database_);
  if (Status begun = transaction.begin(); !begun) return begun;
  for (const char* sql : statements) {
    Statement statement = database_->prepare(sql);
    statement.bind(int64_t{lane.value});
    if (Status done = database_->finish(statement); !done) return done;
  }
  return transaction.commit();
}

Status SqliteStore::confirm(LaneId lane) {
  return change_lane(lane, {"UPDATE lane SET confirmed = prepared, prepared = NULL, is_new = 0 "
                            "WHERE id = ?1 AND prepared IS NOT NULL"});
}

Status SqliteStore::drop_prepared(LaneId lane) {
  return change_lane(lane, {"DELETE FROM state WHERE lane = ?1 AND number = "
                            "(SELECT prepared FROM lane WHERE id = ?1)",
                            "DELETE FROM batch WHERE lane = ?1 AND number = "
                            "(SELECT prepared FROM lane WHERE id = ?1)",
                            "DELETE FROM ledger WHERE lane = ?1 AND born = "
                            "(SELECT prepared FROM lane WHERE id = ?1)",
                            "UPDATE ledger SET shipped = 0 WHERE lane = ?1 AND shipped = "
                            "(SELECT prepared FROM lane WHERE id = ?1)",
                            "UPDATE lane SET prepared = NULL WHERE id = ?1"});
}

Status SqliteStore::step_back(LaneId lane) {
  return change_lane(lane, {"DELETE FROM state WHERE lane = ?1 AND number = "
                            "(SELECT confirmed FROM lane WHERE id = ?1)",
                            "DELETE FROM batch WHERE lane = ?1 AND number = "
                            "(SELECT confirmed FROM lane WHERE id = ?1)",
                            "DELETE FROM ledger WHERE lane = ?1 AND born = "
                            "(SELECT confirmed FROM lane WHERE id = ?1)",
                            "UPDATE ledger SET shipped = 0 WHERE lane = ?1 AND shipped = "
                            "(SELECT confirmed FROM lane WHERE id = ?1)",
                            "UPDATE lane SET confirmed = confirmed - 1 WHERE id = ?1"});
}

Status SqliteStore::offset_committed(LaneId lane) {
  return change_lane(lane, {"UPDATE lane SET is_new = 0 WHERE id = ?1"});
}

}  // namespace longshore::checkpoint
