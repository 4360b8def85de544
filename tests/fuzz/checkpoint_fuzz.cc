// Goal: a checkpoint database whose bytes or values something else changed is either refused with a
// message or read within its types. The agent must never crash on it, because it would crash again
// at each start.
// Method: a database of the real store, once as a file with bytes changed at places that the input
// names, once with values of any type put into its columns. Everything that a lane reads is read,
// and the next transaction is prepared. Marks are also decoded by themselves.

#include <sqlite3.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>

#include "checkpoint/store.h"
#include "config/limits.h"
#include "tests/fuzz/input.h"

namespace longshore::fuzz {
namespace {

using checkpoint::Store;
constexpr LaneId kLane{0};

checkpoint::Prepare transaction(uint64_t number) {
  checkpoint::Prepare prepare{.lane = kLane, .number = {number}, .sources = {}};
  for (uint64_t id : {1u, 2u}) {
    checkpoint::PreparedSource source;
    source.source = {id};
    source.state.offset = number * 100;
    source.state.topic = "logs";
    source.state.tail = "the last bytes";
    source.state.closed = {{1, 2, 3}, {4, 5, 6}};
    source.state.marks = {.begin = 0, .marks = {{.end = number * 100, .hash = 7}}};
    prepare.sources.push_back(source);
  }
  LedgerEntry entry;
  entry.source = {1};
  entry.reason = "truncated";
  prepare.ledger.push_back(entry);
  return prepare;
}

void build(const std::string& dir) {
  auto opened = checkpoint::open_store(dir);
  require(opened.has_value(), "a new store opens");
  Store& store = *opened.value();
  require(store.set_value("host_id", "h").has_value(), "a value is stored");
  require(store.lane(kLane).has_value(), "a lane is made");
  std::vector<checkpoint::SourceRow> rows(2);
  rows[0].id = {1};
  rows[1].id = {2};
  rows[0].host_path = rows[1].host_path = "/var/log/a.log";
  require(store.put_sources(rows).has_value(), "sources are stored");
  for (uint64_t number = 1; number <= 3; ++number) {
    require(store.prepare(transaction(number)).has_value(), "a transaction is prepared");
    if (number < 3) require(store.confirm(kLane).has_value(), "a transaction is confirmed");
  }
}

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// A directory in memory where there is one: thousands of databases are written.
class Lab {
 public:
  Lab() {
    std::string name = std::filesystem::exists("/dev/shm") ? "/dev/shm/longshore-fuzz-XXXXXX"
                                                           : "/tmp/longshore-fuzz-XXXXXX";
    require(::mkdtemp(name.data()) != nullptr, "a directory is made");
    dir_ = name;
    build(dir_);
    whole_ = read_file(path());
    require(whole_.size() > 4096, "the database is in its file");
  }
  ~Lab() {
    std::error_code ignored;
    std::filesystem::remove_all(dir_, ignored);
  }

  const std::string& dir() const { return dir_; }
  const std::string& whole() const { return whole_; }
  std::string path() const { return dir_ + "/checkpoint.db"; }

  void put(const std::string& bytes) const {
    for (const char* suffix : {"-wal", "-shm", ".rebuilt", ".new"}) {
      std::filesystem::remove(path() + suffix);
    }
    std::ofstream(path(), std::ios::binary | std::ios::trunc) << bytes;
  }

 private:
  std::string dir_, whole_;
};

const Lab& lab() {
  static const Lab lab;
  return lab;
}

void use_lane(Store& store, LaneId lane) {
  const auto record = store.lane(lane);
  const auto sources = store.sources(lane);
  if (sources) {
    for (const checkpoint::StoredSource& stored : sources.value()) {
      uint64_t before = stored.state.marks.begin;
      for (const checkpoint::Mark& mark : stored.state.marks.marks) {
        require(mark.end > before, "marks ascend");
        before = mark.end;
      }
    }
  }
  const auto prepared = store.prepared(lane);
  const auto unshipped = store.unshipped(lane, 10);
  if (!record || !sources || !prepared || !unshipped) return;
  // As a lane goes on: what is prepared was delivered or was not, then the next one.
  const bool delivered = sources.value().size() % 2 == 0;
  if (record->prepared && !(delivered ? store.confirm(lane) : store.drop_prepared(lane))) return;
  const auto settled = store.lane(lane);
  if (!settled) return;
  checkpoint::Prepare next = transaction(settled->confirmed.value + 1);
  next.lane = lane;
  if (!store.prepare(next)) return;
  require(store.lane(lane).has_value(), "what was prepared can be read");
  if (!store.drop_prepared(lane)) return;
  if (!store.step_back(lane)) return;
  [[maybe_unused]] const auto after = store.lane(lane);
}

// All that an agent does with a store from its start to its next transaction.
void use() {
  auto opened = checkpoint::open_store(lab().dir());
  if (!opened) {
    require(opened.error().code == ErrorCode::kInvalid, "what cannot be used is refused");
    require(!opened.error().message.empty(), "a refusal says why");
    return;
  }
  Store& store = *opened.value();
  const auto host_id = store.value("host_id");
  const auto lanes = store.lanes();
  const auto ledger = store.ledger();
  const auto source = store.source({1});
  if (!lanes) return;
  for (size_t i = 0; i < std::min<size_t>(lanes->size(), 3); ++i) use_lane(store, lanes.value()[i]);
  [[maybe_unused]] const auto forgotten = store.forget_gone(kLane, 1, checkpoint::Unshipped::kWait);
}

void changed_bytes(Input input) {
  std::string bytes = lab().whole();
  while (!input.empty()) {
    const size_t at = (size_t{input.byte()} << 16 | size_t{input.byte()} << 8 | input.byte());
    for (int count = input.byte() % 16; count >= 0; --count) {
      bytes[(at + static_cast<size_t>(count)) % bytes.size()] = static_cast<char>(input.byte());
    }
  }
  lab().put(bytes);
  use();
}

constexpr std::pair<const char*, const char*> kColumns[] = {
    {"state", "marks"},      {"state", "closed"},    {"state", "tail"},     {"state", "offset"},
    {"state", "part"},       {"state", "partition"}, {"state", "number"},   {"state", "topic"},
    {"state", "generation"}, {"lane", "confirmed"},  {"lane", "prepared"},  {"lane", "id"},
    {"lane", "is_new"},      {"batch", "number"},    {"batch", "digest"},   {"source", "lane"},
    {"source", "id"},        {"source", "stream"},   {"source", "gone_ns"}, {"ledger", "event"},
    {"ledger", "shipped"},   {"ledger", "lane"},     {"ledger", "detail"},  {"meta", "value"},
};

void changed_values(Input input) {
  lab().put(lab().whole());
  sqlite3* database = nullptr;
  require(sqlite3_open(lab().path().c_str(), &database) == SQLITE_OK, "the database opens");
  while (!input.empty()) {
    const auto& [table, column] = kColumns[input.byte() % std::size(kColumns)];
    const std::string sql = std::string("UPDATE OR IGNORE ") + table + " SET " + column + " = ?";
    sqlite3_stmt* statement = nullptr;
    require(sqlite3_prepare_v2(database, sql.c_str(), -1, &statement, nullptr) == SQLITE_OK,
            "the column exists");
    const uint8_t type = input.byte();
    const std::string text = type % 4 == 0 ? std::string() : input.text();
    if (type % 4 == 0) sqlite3_bind_int64(statement, 1, static_cast<int64_t>(input.number()));
    if (type % 4 == 1) sqlite3_bind_text(statement, 1, text.c_str(), -1, SQLITE_TRANSIENT);
    if (type % 4 == 2) {
      sqlite3_bind_blob(statement, 1, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
    }
    sqlite3_step(statement);
    sqlite3_finalize(statement);
  }
  sqlite3_close(database);
  use();
}

void marks(std::string_view bytes) {
  const auto list = checkpoint::MarkList::decode(bytes);
  if (!list) {
    require(list.error().code == ErrorCode::kCorrupt, "what are no marks is corrupt");
    return;
  }
  require(list->encode() == bytes || bytes.empty(), "marks are stored as they are");
  require(list->marks.size() <= limits::kMarksMax, "marks are bounded");
  checkpoint::Marker marker(list.value());
  require(marker.list() == list.value(), "marks are taken up as they are");
  marker.add("more");
  require(marker.end() == list->end() + 4, "marks go on where they ended");
}

}  // namespace
}  // namespace longshore::fuzz

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace longshore::fuzz;
  Input input(data, size);
  switch (input.byte() % 4) {
    case 0:
      changed_bytes(input);
      break;
    case 1:
      lab().put(std::string(input.rest()));
      use();
      break;
    case 2:
      changed_values(input);
      break;
    default:
      marks(input.rest());
  }
  return 0;
}
