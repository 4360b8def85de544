// Goal: the checkpoint is durable, refuses a database that it cannot read with one sentence and
// without changing it, and is fast enough for a lane.
// Method: one test for each fact, on databases in the test's own directory; two threads for two
// lanes; time limits far above the usual times.

#include "checkpoint/store.h"

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <thread>

#include "checkpoint/database.h"
#include "tests/fakes/temporary_dir.h"

namespace longshore::checkpoint {
namespace {

constexpr LaneId kLane{0};

std::unique_ptr<Store> open(const fakes::TemporaryDir& dir) {
  auto opened = open_store(dir.path());
  EXPECT_TRUE(opened) << opened.error().message;
  return std::move(opened).value();
}

std::string database_of(const fakes::TemporaryDir& dir) { return dir.path() + "/checkpoint.db"; }

void run_sql(const fakes::TemporaryDir& dir, const std::string& sql) {
  auto database = Database::open(database_of(dir), false);
  ASSERT_TRUE(database);
  ASSERT_TRUE(database.value()->run(sql.c_str()));
}

std::string read_bytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream bytes;
  bytes << in.rdbuf();
  return bytes.str();
}

SourceState at(uint64_t offset) {
  SourceState state;
  state.file = {1, 2, 3};
  state.offset = offset;
  state.covered = {offset};
  state.topic = "logs";
  state.partition = 3;
  return state;
}

std::vector<PreparedSource> moves(size_t count, uint64_t offset) {
  std::vector<PreparedSource> sources;
  for (size_t i = 0; i < count; ++i) sources.push_back({SourceId{i + 1}, at(offset)});
  return sources;
}

std::vector<SourceRow> rows(size_t count, LaneId lane = kLane) {
  std::vector<SourceRow> all(count);
  for (size_t i = 0; i < count; ++i) {
    all[i].id = {i + 1};
    all[i].lane = lane;
    all[i].host_path = "/var/log/containers/application-" + std::to_string(i) + ".log";
    all[i].name = "access";
  }
  return all;
}

LedgerEntry entry(const std::string& detail) {
  LedgerEntry entry;
  entry.reason = "possible duplicates";
  entry.detail = detail;
  return entry;
}

int64_t elapsed_ms(const std::function<void()>& work) {
  const auto began = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() -
                                                               began)
      .count();
}

TEST(Store, each_connection_reads_back_that_every_commit_is_synced) {
  const fakes::TemporaryDir dir;
  for (int i = 0; i < 2; ++i) {
    auto database = Database::open(database_of(dir), false);
    ASSERT_TRUE(database);
    EXPECT_EQ(database.value()->pragma("PRAGMA synchronous"), 2);
  }
  auto database = Database::open(database_of(dir), false);
  Statement mode = database.value()->prepare("PRAGMA journal_mode");
  ASSERT_EQ(mode.step(), SQLITE_ROW);
  EXPECT_EQ(mode.bytes(0), "wal");
}

TEST(Store, a_new_lane_has_a_digest_of_its_own_before_its_first_transaction) {
  const fakes::TemporaryDir one, other;
  const auto digest = open(one)->lane(kLane).value().confirmed_digest;
  EXPECT_FALSE(digest.empty());
  EXPECT_EQ(open(one)->lane(kLane).value().confirmed_digest, digest);
  EXPECT_NE(open(other)->lane(kLane).value().confirmed_digest, digest);
  EXPECT_NE(open(one)->lane({1}).value().confirmed_digest, digest);
}

TEST(Store, equal_prepares_never_have_equal_digests) {
  const fakes::TemporaryDir dir;
  const auto store = open(dir);
  ASSERT_TRUE(store->lane(kLane));
  const auto first = store->prepare({kLane, {1}, moves(3, 10)});
  ASSERT_TRUE(store->drop_prepared(kLane));
  const auto second = store->prepare({kLane, {1}, moves(3, 10)});
  ASSERT_TRUE(first && second);
  EXPECT_NE(first.value(), second.value());
  for (const char c : first.value()) EXPECT_TRUE(c > ' ' && c < 0x7f);
}

TEST(Store, a_prepared_transaction_is_there_after_a_reopen) {
  const fakes::TemporaryDir dir;
  std::string digest;
  {
    const auto store = open(dir);
    ASSERT_TRUE(store->lane(kLane) && store->put_sources(rows(2)));
    digest = store->prepare({kLane, {1}, moves(2, 10)}).value();
  }
  const auto store = open(dir);
  const LaneRecord record = store->lane(kLane).value();
  EXPECT_EQ(record.prepared, TransactionNumber{1});
  EXPECT_EQ(record.prepared_digest, digest);
  EXPECT_EQ(store->sources(kLane).value()[0].state, SourceState{});
  EXPECT_EQ(store->prepared(kLane).value()[0].state, at(10));
  ASSERT_TRUE(store->confirm(kLane));
  EXPECT_EQ(store->sources(kLane).value()[0].state, at(10));
}

TEST(Store, a_source_has_at_most_three_rows) {
  const fakes::TemporaryDir dir;
  const auto store = open(dir);
  ASSERT_TRUE(store->lane(kLane));
  for (uint64_t number = 1; number <= 20; ++number) {
    ASSERT_TRUE(store->prepare({kLane, {number}, moves(1, number)}));
    auto database = Database::open(database_of(dir), true);
    EXPECT_LE(database.value()->pragma("SELECT COUNT(*) FROM state"), 3);
    EXPECT_LE(database.value()->pragma("SELECT COUNT(*) FROM batch"), 3);
  }
}

TEST(Store, a_newer_major_version_is_refused_and_left_as_it_is) {
  const fakes::TemporaryDir dir;
  open(dir).reset();
  run_sql(dir, "PRAGMA user_version = 2000");
  const std::string before = read_bytes(database_of(dir));
  const auto refused = open_store(dir.path());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalid);
  EXPECT_NE(refused.error().message.find("newer"), std::string::npos);
  EXPECT_NE(refused.error().message.find("--state-dir"), std::string::npos);
  EXPECT_EQ(read_bytes(database_of(dir)), before);
}

TEST(Store, a_newer_minor_version_with_more_columns_is_opened_and_works) {
  const fakes::TemporaryDir dir;
  open(dir).reset();
  run_sql(dir,
          "PRAGMA user_version = 1007; ALTER TABLE state ADD COLUMN newer INTEGER DEFAULT 5;"
          "ALTER TABLE source ADD COLUMN newer TEXT; ALTER TABLE lane ADD COLUMN newer TEXT;"
          "ALTER TABLE batch ADD COLUMN newer TEXT; ALTER TABLE meta ADD COLUMN newer TEXT;"
          "ALTER TABLE ledger ADD COLUMN newer TEXT");
  const auto store = open(dir);
  ASSERT_TRUE(store->lane(kLane));
  ASSERT_TRUE(store->put_sources(rows(1)));
  ASSERT_TRUE(store->prepare({kLane, {1}, moves(1, 7)}));
  ASSERT_TRUE(store->confirm(kLane));
  ASSERT_TRUE(store->set_value("a", "b"));
  EXPECT_EQ(store->sources(kLane).value()[0].state, at(7));
  ASSERT_TRUE(store->adopt(kLane, {TransactionNumber{9}, "theirs"}));
  EXPECT_EQ(store->lane(kLane).value().confirmed_digest, "theirs");
}

TEST(Store, anothers_database_is_refused_and_left_as_it_is) {
  const fakes::TemporaryDir dir;
  run_sql(dir, "CREATE TABLE theirs(x)");
  const std::string before = read_bytes(database_of(dir));
  const auto refused = open_store(dir.path());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalid);
  EXPECT_EQ(read_bytes(database_of(dir)), before);
}

TEST(Store, a_file_that_is_no_database_is_refused_and_left_as_it_is) {
  const fakes::TemporaryDir dir;
  const std::string garbage = std::string(5000, 'g');
  std::ofstream(database_of(dir)) << garbage;
  const auto refused = open_store(dir.path());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalid);
  EXPECT_NE(refused.error().message.find("removed"), std::string::npos) << refused.error().message;
  EXPECT_EQ(read_bytes(database_of(dir)), garbage);
}

TEST(Store, a_database_cut_short_is_found_and_said) {
  const fakes::TemporaryDir dir;
  {
    const auto store = open(dir);
    ASSERT_TRUE(store->lane(kLane));
    ASSERT_TRUE(store->put_sources(rows(500)));
  }
  std::filesystem::resize_file(database_of(dir), 8192);
  const auto opened = open_store(dir.path());
  if (!opened) {
    EXPECT_EQ(opened.error().code, ErrorCode::kInvalid);
    return;
  }
  const auto sources = opened.value()->sources(kLane);
  ASSERT_FALSE(sources);
  EXPECT_EQ(sources.error().code, ErrorCode::kFatal);
  EXPECT_NE(sources.error().message.find("restore it"), std::string::npos);
}

TEST(Store, a_damaged_page_is_an_error_and_never_a_crash) {
  const fakes::TemporaryDir dir;
  {
    const auto store = open(dir);
    ASSERT_TRUE(store->lane(kLane));
    ASSERT_TRUE(store->put_sources(rows(300)));
    ASSERT_TRUE(store->advance(kLane, moves(300, 7)));
  }
  const std::string whole = read_bytes(database_of(dir));
  int found = 0;
  for (size_t page = 0; page < whole.size(); page += 4096) {
    std::string damaged = whole;
    damaged.replace(page + (page == 0 ? 100 : 0), 600, 600, '\xff');
    std::ofstream(database_of(dir), std::ios::binary | std::ios::trunc) << damaged;
    const auto opened = open_store(dir.path());
    if (!opened) {
      EXPECT_EQ(opened.error().code, ErrorCode::kInvalid);
      ++found;
      continue;
    }
    const auto sources = opened.value()->sources(kLane);
    if (sources && opened.value()->lane(kLane) && opened.value()->ledger()) continue;
    ++found;
    if (sources) continue;
    EXPECT_TRUE(sources.error().code == ErrorCode::kFatal ||
                sources.error().code == ErrorCode::kCorrupt)
        << sources.error().message;
  }
  EXPECT_GT(found, 10);
}

TEST(Store, a_database_without_its_tables_is_refused) {
  const fakes::TemporaryDir dir;
  open(dir).reset();
  run_sql(dir, "DROP TABLE state");
  const auto refused = open_store(dir.path());
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("damaged"), std::string::npos);
}

TEST(Store, marks_that_are_damaged_are_said_not_skipped) {
  const fakes::TemporaryDir dir;
  {
    const auto store = open(dir);
    ASSERT_TRUE(store->lane(kLane));
    ASSERT_TRUE(store->put_sources(rows(1)));
    ASSERT_TRUE(store->advance(kLane, moves(1, 7)));
  }
  run_sql(dir, "UPDATE state SET marks = x'0102'");
  const auto sources = open(dir)->sources(kLane);
  ASSERT_FALSE(sources);
  EXPECT_EQ(sources.error().code, ErrorCode::kCorrupt);
}

TEST(Store, reading_alone_needs_a_database_and_changes_nothing) {
  const fakes::TemporaryDir dir;
  EXPECT_FALSE(open_store(dir.path(), StoreAccess::kRead));
  EXPECT_FALSE(std::filesystem::exists(database_of(dir)));
  const auto writer = open(dir);
  ASSERT_TRUE(writer->set_value("host_id", "h"));
  auto reader = open_store(dir.path(), StoreAccess::kRead);
  ASSERT_TRUE(reader);
  EXPECT_EQ(reader.value()->value("host_id").value(), "h");
  EXPECT_FALSE(reader.value()->set_value("host_id", "other"));
  EXPECT_EQ(writer->value("host_id").value(), "h");
}

TEST(Store, an_interrupted_rebuild_is_finished_by_the_next_opening) {
  const fakes::TemporaryDir dir;
  ASSERT_TRUE(open(dir)->set_value("a", "rebuilt"));
  std::filesystem::copy_file(database_of(dir), database_of(dir) + ".rebuilt");
  ASSERT_TRUE(open(dir)->set_value("a", "rebuilt")) << "finishes it";
  std::filesystem::copy_file(database_of(dir), database_of(dir) + ".rebuilt");
  // The crash came before the old log was removed: it must not be replayed into the new file.
  {
    auto old = Database::open(database_of(dir), false);
    ASSERT_TRUE(old.value()->run("UPDATE meta SET value = 'old'"));
    std::filesystem::copy_file(database_of(dir) + "-wal", database_of(dir) + "-kept");
  }
  std::filesystem::rename(database_of(dir) + "-kept", database_of(dir) + "-wal");
  EXPECT_EQ(open(dir)->value("a").value(), "rebuilt");
  EXPECT_FALSE(std::filesystem::exists(database_of(dir) + ".rebuilt"));
}

TEST(Store, a_rebuilt_database_holds_the_same_and_is_ours) {
  const fakes::TemporaryDir dir;
  {
    const auto store = open(dir);
    ASSERT_TRUE(store->lane(kLane));
    ASSERT_TRUE(store->put_sources(rows(50)));
    ASSERT_TRUE(store->prepare({kLane, {1}, moves(50, 10)}));
    ASSERT_TRUE(store->append_ledger({entry("d")}));
  }
  run_sql(dir, "PRAGMA wal_checkpoint(TRUNCATE)");
  ASSERT_TRUE(rebuild_store(dir.path()));
  const auto store = open(dir);
  EXPECT_EQ(store->prepared(kLane).value().size(), 50u);
  EXPECT_EQ(store->sources(kLane).value().size(), 50u);
  ASSERT_EQ(store->ledger().value().size(), 1u);
  EXPECT_EQ(store->ledger().value()[0].detail, "d");
}

TEST(Store, a_refusal_is_read_as_it_was_written) {
  const fakes::TemporaryDir dir;
  const auto store = open(dir);
  ASSERT_TRUE(store->lane(kLane));
  LedgerEntry refusal = entry("d");
  refusal.lane = kLane;
  refusal.event = LedgerEvent::kRefused;
  refusal.refused = {.name = "app",
                     .path = "/logs/*.log",
                     .container_id = "c1",
                     .container_name = "shop",
                     .topic = "",
                     .count = 1'000};
  ASSERT_TRUE(store->append_ledger({refusal, entry("other")}));
  const auto read = store->unshipped(kLane, 10).value();
  ASSERT_EQ(read.size(), 2u);
  EXPECT_EQ(read[0].refused, refusal.refused);
  EXPECT_TRUE(read[0].is_kept());
  EXPECT_EQ(read[1].refused, RefusedLog{});
}

// What version 1.3 added.
constexpr char kWithout3[] =
    "ALTER TABLE ledger DROP COLUMN about; ALTER TABLE state DROP COLUMN file_path;"
    "ALTER TABLE state DROP COLUMN ends; ALTER TABLE state DROP COLUMN proof;";

TEST(Store, a_database_of_the_minor_version_before_gets_what_it_lacks) {
  const fakes::TemporaryDir dir;
  {
    const auto store = open(dir);
    ASSERT_TRUE(store->lane(kLane));
    ASSERT_TRUE(store->put_sources(rows(2)));
    ASSERT_TRUE(store->prepare({kLane, {1}, moves(2, 10)}));
    ASSERT_TRUE(store->confirm(kLane));
    ASSERT_TRUE(store->append_ledger({entry("d")}));
  }
  run_sql(dir, kWithout3 + std::string("PRAGMA user_version = 1002"));
  EXPECT_EQ(open(dir)->unshipped(kLane, 10).value().size(), 1u);
  run_sql(dir,
          kWithout3 +
              std::string(
                  "DROP INDEX ledger_by_shipped; ALTER TABLE ledger DROP COLUMN shipped;"
                  "ALTER TABLE ledger DROP COLUMN born; ALTER TABLE ledger DROP COLUMN generation;"
                  "ALTER TABLE ledger DROP COLUMN event; ALTER TABLE state DROP COLUMN boot;"
                  "ALTER TABLE state DROP COLUMN seen_bytes; ALTER TABLE state DROP COLUMN ended;"
                  "ALTER TABLE state DROP COLUMN begun;"
                  "PRAGMA user_version = 1000"));
  const auto refused = open_store(dir.path(), StoreAccess::kRead);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("older longshore"), std::string::npos);
  const auto store = open(dir);
  EXPECT_EQ(store->sources(kLane).value()[1].state.offset, 10u);
  EXPECT_EQ(store->unshipped(kLane, 10).value().size(), 1u);
  EXPECT_TRUE(store->prepare({kLane, {2}, moves(2, 20)}));
}

TEST(Store, the_beginning_of_a_line_is_kept_and_an_older_database_has_none) {
  const fakes::TemporaryDir dir;
  std::vector<PreparedSource> sources = moves(1, 10);
  {
    const auto store = open(dir);
    ASSERT_TRUE(store->lane(kLane));
    ASSERT_TRUE(store->put_sources(rows(1)));
    sources[0].state.begun = {.text = std::string("half\0a", 6), .offset = 3, .time_ns = -1};
    ASSERT_TRUE(store->prepare({kLane, {1}, sources}));
    ASSERT_TRUE(store->confirm(kLane));
    EXPECT_EQ(store->sources(kLane).value()[0].state, sources[0].state);
  }
  run_sql(dir, kWithout3 + std::string("ALTER TABLE state DROP COLUMN begun;"
                                       "PRAGMA user_version = 1001"));
  const auto store = open(dir);
  sources[0].state.begun = {};
  EXPECT_EQ(store->sources(kLane).value()[0].state, sources[0].state);
  ASSERT_TRUE(store->prepare({kLane, {2}, sources}));
}

TEST(Store, a_database_of_version_1_2_gets_the_ends_and_proofs) {
  const fakes::TemporaryDir dir;
  {
    const auto store = open(dir);
    ASSERT_TRUE(store->lane(kLane));
    ASSERT_TRUE(store->put_sources(rows(2)));
    ASSERT_TRUE(store->prepare({kLane, {1}, moves(2, 10)}));
    ASSERT_TRUE(store->confirm(kLane));
  }
  run_sql(dir, kWithout3 + std::string("PRAGMA user_version = 1002"));
  const auto store = open(dir);
  const SourceState state = store->sources(kLane).value()[1].state;
  EXPECT_EQ(state.offset, 10u);
  EXPECT_EQ(state.stamp, FileStamp{});
  EXPECT_EQ(state.truncations, Truncations{});
  auto next = moves(2, 20);
  next[0].state.stamp = {1, 2, 3};
  EXPECT_TRUE(store->prepare({kLane, {2}, next}));
}

TEST(Store, the_ledger_is_pruned_but_for_losses_that_wait) {
  const fakes::TemporaryDir dir;
  const auto store = open(dir);
  ASSERT_TRUE(store->lane(kLane));
  LedgerEntry waiting = entry("waiting"), shipped = entry("shipped"), ended = entry("ended");
  shipped.shipped = ended.shipped = true;
  ended.event = LedgerEvent::kEnded;
  for (LedgerEntry* each : {&waiting, &shipped, &ended}) each->lane = kLane;
  ASSERT_TRUE(store->prepare({kLane, {1}, {}, {waiting, shipped, ended}}));
  EXPECT_EQ(store->ledger().value().size(), 3u);
  ASSERT_TRUE(store->prepare({kLane, {2}, {}}));
  ASSERT_TRUE(store->prepare({kLane, {3}, {}}));
  EXPECT_EQ(store->ledger().value().size(), 2u);  // What is no loss has served.
  ASSERT_TRUE(store->confirm(kLane));
  ASSERT_TRUE(store->forget_gone(kLane, 1, Unshipped::kWait));
  ASSERT_EQ(store->ledger().value().size(), 1u);
  EXPECT_EQ(store->ledger().value()[0].detail, "waiting");
  ASSERT_TRUE(store->forget_gone(kLane, 1, Unshipped::kForget));
  EXPECT_TRUE(store->ledger().value().empty());
}

TEST(Store, two_lanes_write_at_once_from_two_threads) {
  const fakes::TemporaryDir dir;
  constexpr uint64_t kTransactions = 200;
  open(dir).reset();
  const auto work = [&dir](LaneId lane) {
    const auto store = open(dir);
    ASSERT_TRUE(store->lane(lane));
    for (uint64_t number = 1; number <= kTransactions; ++number) {
      std::vector<PreparedSource> sources{{SourceId{lane.value + 1}, at(number)}};
      const auto prepared = store->prepare({lane, {number}, sources});
      ASSERT_TRUE(prepared) << prepared.error().message;
    }
  };
  std::thread first(work, LaneId{0}), second(work, LaneId{1});
  first.join();
  second.join();
  const auto store = open(dir);
  for (const LaneId lane : {LaneId{0}, LaneId{1}}) {
    EXPECT_EQ(store->lane(lane).value().prepared, TransactionNumber{kTransactions});
    ASSERT_EQ(store->prepared(lane).value().size(), 1u);
    EXPECT_EQ(store->prepared(lane).value()[0].state, at(kTransactions));
  }
  EXPECT_EQ(store->lanes().value().size(), 2u);
}

TEST(Store, ten_thousand_sources_are_read_well_under_the_time_of_a_start) {
  const fakes::TemporaryDir dir;
  const auto store = open(dir);
  ASSERT_TRUE(store->lane(kLane));
  ASSERT_TRUE(store->put_sources(rows(10'000)));
  for (uint64_t number = 1; number <= 3; ++number) {
    ASSERT_TRUE(store->prepare({kLane, {number}, moves(10'000, number)}));
  }
  size_t count = 0;
  const int64_t took_ms = elapsed_ms([&] { count = store->sources(kLane).value().size(); });
  EXPECT_EQ(count, 10'000u);
  EXPECT_LT(took_ms, 10'000) << "0.1 s is usual";
  RecordProperty("sources_10000_ms", static_cast<int>(took_ms));
}

TEST(Store, a_prepare_costs_one_sync_whatever_it_holds) {
  const fakes::TemporaryDir dir;
  const auto store = open(dir);
  ASSERT_TRUE(store->lane(kLane));
  uint64_t number = 0;
  for (const size_t count : {size_t{10}, size_t{1000}}) {
    const int64_t took_ms = elapsed_ms([&] {
      for (int i = 0; i < 20; ++i) {
        ASSERT_TRUE(store->prepare({kLane, {++number}, moves(count, number)}));
      }
    });
    RecordProperty("prepare_" + std::to_string(count) + "_us", static_cast<int>(took_ms * 50));
    EXPECT_LT(took_ms, 20 * 2500) << count << " sources; 0.6 ms and 6 ms each are usual";
  }
}

}  // namespace
}  // namespace longshore::checkpoint
