// Goal: whatever a lane does to its checkpoint, and whenever the checkpoint is reopened, the store
// returns the state as of exactly the requested transaction.
// Method: random operations of two lanes compared with a model that copies the whole state at every
// transaction, on SQLite (with reopening and rebuilding) and on the tests' store in memory.

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <random>

#include "checkpoint/store.h"
#include "tests/fakes/memory_store.h"
#include "tests/fakes/seed.h"
#include "tests/fakes/temporary_dir.h"

namespace longshore::checkpoint {
namespace {

constexpr uint64_t kSourcesMax = 12;

using States = std::map<SourceId, SourceState>;
using Shipped = std::map<std::string, bool>;  // Losses by their details.

struct LaneModel {
  uint64_t confirmed = 0;
  bool prepared = false;
  bool is_new = true;
  std::map<uint64_t, States> as_of = {{0, {}}};
  std::map<uint64_t, std::string> digests;  // Known to the protocol: the last three.
  std::map<SourceId, SourceRow> rows;
  std::map<uint64_t, Shipped> ledger_as_of = {{0, {}}};

  uint64_t last() const { return confirmed + (prepared ? 1 : 0); }
};

SourceState random_state(std::mt19937_64& random) {
  SourceState state;
  state.generation = random() % 5;
  state.file = {random(), random(), static_cast<int64_t>(random())};
  state.base = {random() >> 8};
  state.offset = random() % 1'000'000;
  state.covered = {random()};
  state.part = static_cast<uint32_t>(random());
  state.gap_pending = random() % 2 == 0;
  state.ended = random() % 2 == 0;
  state.seen_bytes = random();
  state.boot = random();
  if (random() % 4 == 0) state.file_path = "/var/log/app-" + std::to_string(random()) + ".log";
  if (random() % 4 != 0) {
    state.topic = "logs-" + std::to_string(random() % 3);
    state.partition = static_cast<int32_t>(random() % 50);
  }
  state.tail = std::string("tail\0bytes", 10) + std::to_string(random());
  state.marks.begin = random() % 1000;
  for (uint64_t i = 0; i < random() % 4; ++i) {
    state.marks.marks.push_back({state.marks.end() + 1 + random() % 1000, random()});
  }
  if (random() % 2 == 0) state.marks.head = random();
  for (uint64_t i = 0; i < random() % 3; ++i) state.closed.push_back({random(), random(), -5});
  for (uint64_t i = 0; i < random() % 3; ++i) state.ends.push_back({random(), random(), random()});
  state.stamp = {random(), static_cast<int64_t>(random()), static_cast<int64_t>(random())};
  state.settled = random() % 2 == 0;
  state.truncations = {random(), {random()}, {random()}, random()};
  return state;
}

// One store under random operations, and what it should hold.
class Walk {
 public:
  using Reopen = std::function<void(std::unique_ptr<Store>&)>;

  Walk(std::unique_ptr<Store> store, Reopen reopen, uint64_t seed)
      : store_(std::move(store)), reopen_(std::move(reopen)), random_(seed) {}

  void step() {
    const LaneId lane{static_cast<uint32_t>(random_() % 2)};
    LaneModel& model = lanes_[lane];
    if (model.digests.empty()) model.digests[0] = store_->lane(lane).value().confirmed_digest;
    switch (random_() % 14) {
      case 0:
      case 1:
      case 2:
        return prepare(lane, model);
      case 3:
        return confirm(lane, model);
      case 4:
        return drop(lane, model);
      case 5:
        return step_back(lane, model);
      case 6:
        return advance(lane, model);
      case 7:
        return adopt(lane, model);
      case 8:
        return put(lane, model);
      case 9:
        return forget(lane, model);
      case 10:
        return forget_gone(lane, model);
      case 11:
        return append(lane, model);
      case 12:
        return start_over();
      default:
        return reopen_(store_);
    }
  }

  void expect_equal() {
    for (auto& [lane, model] : lanes_) {
      const LaneRecord record = store_->lane(lane).value();
      ASSERT_EQ(record.confirmed.value, model.confirmed);
      ASSERT_EQ(record.prepared.has_value(), model.prepared);
      ASSERT_EQ(record.is_new, model.is_new);
      ASSERT_EQ(record.confirmed_digest, model.digests[model.confirmed]);
      ASSERT_FALSE(record.confirmed_digest.empty());
      if (model.confirmed > 0) {
        const auto before = model.digests.find(model.confirmed - 1);
        ASSERT_EQ(record.previous_digest, before == model.digests.end() ? "" : before->second);
      }
      if (model.prepared) {
        ASSERT_EQ(record.prepared->value, model.confirmed + 1);
        ASSERT_EQ(record.prepared_digest, model.digests[model.confirmed + 1]);
      }
      expect_sources(lane, model);
      expect_prepared(lane, model);
      expect_ledger(lane, model);
    }
  }

  std::map<std::string, int> done;

 private:
  void expect_sources(LaneId lane, LaneModel& model) {
    const auto sources = store_->sources(lane).value();
    ASSERT_EQ(sources.size(), model.rows.size());
    States& states = model.as_of[model.confirmed];
    for (const StoredSource& source : sources) {
      ASSERT_TRUE(model.rows.contains(source.row.id));
      const SourceRow& row = model.rows[source.row.id];
      ASSERT_EQ(source.row.host_path, row.host_path);
      ASSERT_EQ(source.row.gone_ns, row.gone_ns);
      ASSERT_EQ(source.row.lane, lane);
      const auto state = states.find(source.row.id);
      ASSERT_EQ(source.state, state == states.end() ? SourceState{} : state->second);
      ASSERT_EQ(store_->source(source.row.id).value()->state, source.state);
    }
  }

  void expect_prepared(LaneId lane, const LaneModel& model) {
    const auto prepared = store_->prepared(lane).value();
    ASSERT_EQ(prepared.size(), model.prepared ? moved_[lane].size() : 0);
    for (const PreparedSource& source : prepared) {
      ASSERT_TRUE(moved_[lane].contains(source.source));
      ASSERT_EQ(source.state, moved_[lane][source.source]);
    }
  }

  void expect_ledger(LaneId lane, LaneModel& model) {
    Shipped losses;
    const auto all = store_->ledger();
    for (const LedgerEntry& entry : all.value()) {
      if (entry.lane != lane) continue;
      // What is no loss stays while it waits; the model leaves it out.
      if (entry.is_kept()) losses[entry.detail] = entry.shipped;
    }
    ASSERT_EQ(losses, model.ledger_as_of[model.last()]);
    size_t waiting = 0;
    const auto unshipped = store_->unshipped(lane, 1'000'000);
    for (const LedgerEntry& entry : unshipped.value()) {
      ASSERT_FALSE(entry.shipped);
      if (entry.is_kept()) ++waiting;
    }
    ASSERT_EQ(waiting, std::count_if(losses.begin(), losses.end(),
                                     [](const auto& loss) { return !loss.second; }));
  }

  LedgerEntry random_entry(LaneId lane) {
    LedgerEntry entry;
    entry.lane = lane;
    entry.time_ns = 1000;  // Younger than any retention here.
    entry.detail = std::to_string(++entries_);
    entry.event = random_() % 3 == 0 ? LedgerEvent::kEnded : LedgerEvent::kLost;
    return entry;
  }

  // New entries and older ones that the transaction ships, as of `ledger`.
  std::vector<LedgerEntry> random_ledger(LaneId lane, Shipped& ledger) {
    std::vector<LedgerEntry> entries;
    const auto unshipped = store_->unshipped(lane, 3);
    for (LedgerEntry waiting : unshipped.value()) {
      waiting.shipped = random_() % 2 == 0;
      entries.push_back(waiting);
    }
    for (uint64_t i = random_() % 3; i > 0; --i) {
      entries.push_back(random_entry(lane));
      entries.back().shipped = random_() % 2 == 0;
    }
    for (const LedgerEntry& entry : entries) {
      if (entry.is_kept()) ledger[entry.detail] = entry.shipped;
    }
    return entries;
  }

  void append(LaneId lane, LaneModel& model) {
    const LedgerEntry entry = random_entry(lane);
    ASSERT_TRUE(store_->append_ledger({entry}));
    if (!entry.is_kept()) return;
    for (auto& [number, ledger] : model.ledger_as_of) ledger[entry.detail] = false;
    ++done["append"];
  }

  SourceId random_source(LaneId lane) { return {lane.value * 1000 + random_() % kSourcesMax}; }

  std::vector<PreparedSource> random_moves(LaneId lane) {
    States moves;
    for (uint64_t i = random_() % 6; i > 0; --i) moves[random_source(lane)] = random_state(random_);
    std::vector<PreparedSource> sources;
    for (const auto& [id, state] : moves) sources.push_back({id, state});
    return sources;
  }

  void prepare(LaneId lane, LaneModel& model) {
    if (model.prepared) {  // Known to be committed: folded in.
      model.confirmed += 1;
      model.is_new = false;
    }
    model.prepared = true;
    const uint64_t number = model.confirmed + 1;
    const auto sources = random_moves(lane);
    model.ledger_as_of[number] = model.ledger_as_of[model.confirmed];
    const auto ledger = random_ledger(lane, model.ledger_as_of[number]);
    const auto digest = store_->prepare({lane, {number}, sources, ledger});
    ASSERT_TRUE(digest) << digest.error().message;
    ASSERT_LE(digest.value().size(), 100u);
    States& states = model.as_of[number] = model.as_of[model.confirmed];
    moved_[lane].clear();
    for (const auto& [id, state] : sources) moved_[lane][id] = states[id] = state;
    model.digests[number] = digest.value();
    std::erase_if(model.digests, [number](const auto& entry) { return entry.first + 2 < number; });
    ++done["prepare"];
  }

  void confirm(LaneId lane, LaneModel& model) {
    ASSERT_TRUE(store_->confirm(lane));
    if (!model.prepared) return;
    model.prepared = model.is_new = false;
    model.confirmed += 1;
    ++done["confirm"];
  }

  void drop(LaneId lane, LaneModel& model) {
    ASSERT_TRUE(store_->drop_prepared(lane));
    if (!model.prepared) return;
    model.digests.erase(model.confirmed + 1);
    model.prepared = false;
    ++done["drop"];
  }

  // Only as the recovery table does: nothing prepared, and the digest before is known.
  void step_back(LaneId lane, LaneModel& model) {
    if (model.prepared || model.confirmed == 0) return;
    if (!model.digests.contains(model.confirmed - 1)) return;
    ASSERT_TRUE(store_->step_back(lane));
    model.digests.erase(model.confirmed);
    model.confirmed -= 1;
    ++done["step back"];
  }

  void advance(LaneId lane, LaneModel& model) {
    if (model.prepared) return;
    ASSERT_TRUE(store_->offset_committed(lane));
    model.is_new = false;
    const auto sources = random_moves(lane);
    auto& now = model.ledger_as_of[model.confirmed];
    const Shipped before = now;
    ASSERT_TRUE(store_->advance(lane, sources, random_ledger(lane, now)));
    for (const auto& [detail, shipped] : now) {
      const auto known = before.find(detail);
      if (known != before.end() && known->second == shipped) continue;
      for (auto& [number, ledger] : model.ledger_as_of) {
        if (known == before.end() || ledger.contains(detail)) ledger[detail] = shipped;
      }
    }
    for (const auto& [id, state] : sources) model.as_of[model.confirmed][id] = state;
    ++done["advance"];
  }

  void adopt(LaneId lane, LaneModel& model) {
    if (random_() % 8 != 0) return;
    const uint64_t number = random_() % 3 == 0 ? random_() % 5 : model.last() + random_() % 20;
    ASSERT_TRUE(store_->adopt(lane, {TransactionNumber{number}, "adopted"}));
    const States states = model.as_of[model.confirmed];
    model.as_of = {{number, states}};
    const Shipped ledger = model.ledger_as_of[model.confirmed];
    model.ledger_as_of = {{number, ledger}, {number == 0 ? 0 : number - 1, ledger}};
    model.digests = {{number, "adopted"}};
    model.confirmed = number;
    model.prepared = model.is_new = false;
    ++done["adopt"];
  }

  void put(LaneId lane, LaneModel& model) {
    SourceRow row;
    row.id = random_source(lane);
    row.lane = lane;
    row.host_path = "/var/log/it's " + std::to_string(random_());
    row.gone_ns = random_() % 3 == 0 ? static_cast<int64_t>(random_() % 1000) : 0;
    ASSERT_TRUE(store_->put_sources({row}));
    model.rows[row.id] = row;
    ++done["put"];
  }

  void erase(LaneId lane, LaneModel& model, SourceId id) {
    model.rows.erase(id);
    for (auto& [number, states] : model.as_of) states.erase(id);
    moved_[lane].erase(id);
  }

  void forget(LaneId lane, LaneModel& model) {
    const SourceId id = random_source(lane);
    ASSERT_TRUE(store_->forget({id}));
    erase(lane, model, id);
    ++done["forget"];
  }

  void forget_gone(LaneId lane, LaneModel& model) {
    if (random_() % 2 != 0) return;
    std::vector<SourceId> gone;
    for (const auto& [id, row] : model.rows) {
      if (row.gone_ns != 0 && row.gone_ns < 500) gone.push_back(id);
    }
    ASSERT_EQ(store_->forget_gone(lane, 500, Unshipped::kWait).value(), gone.size());
    for (const SourceId id : gone) erase(lane, model, id);
    if (!gone.empty()) ++done["forget gone"];
  }

  // Seldom, for little is left of both lanes then; the same cluster's id changes nothing.
  void start_over() {
    if (random_() % 4 != 0) return;
    const std::string id = "cluster " + std::to_string(random_() % 2);
    const bool is_new = store_->value("cluster_id").value() != id;
    ASSERT_TRUE(store_->start_over(id));
    ASSERT_EQ(store_->value("cluster_id").value(), id);
    if (!is_new) return;
    for (auto& [lane, model] : lanes_) {
      model.rows.clear();
      for (auto& [number, states] : model.as_of) states.clear();
      moved_[lane].clear();
    }
    ++done["start over"];
  }

  std::unique_ptr<Store> store_;
  Reopen reopen_;
  std::mt19937_64 random_;
  std::map<LaneId, LaneModel> lanes_;
  std::map<LaneId, States> moved_;
  uint64_t entries_ = 0;
};

void walk(std::unique_ptr<Store> store, const Walk::Reopen& reopen, int steps, uint64_t seed) {
  Walk walk(std::move(store), reopen, seed);
  for (int i = 0; i < steps && !::testing::Test::HasFatalFailure(); ++i) {
    SCOPED_TRACE("seed " + std::to_string(seed) + ", step " + std::to_string(i));
    walk.step();
    walk.expect_equal();
  }
  for (const char* operation : {"prepare", "confirm", "drop", "step back", "advance", "adopt",
                                "put", "forget", "forget gone", "append", "start over"}) {
    EXPECT_GT(walk.done[operation], 5) << operation;
  }
}

TEST(StoreModel, sqlite_agrees_with_the_model) {
  const fakes::TemporaryDir dir;
  int reopened = 0;
  const auto reopen = [&](std::unique_ptr<Store>& store) {
    store.reset();
    if (++reopened % 4 == 0) {
      ASSERT_TRUE(rebuild_store(dir.path()));
    }
    auto opened = open_store(dir.path());
    ASSERT_TRUE(opened) << opened.error().message;
    store = std::move(opened).value();
  };
  std::unique_ptr<Store> store;
  reopen(store);
  walk(std::move(store), reopen, 2500, fakes::seed());
  EXPECT_GT(reopened, 50);
}

TEST(StoreModel, the_store_in_memory_agrees_with_the_model) {
  const auto keep = [](std::unique_ptr<Store>&) {};
  walk(std::make_unique<fakes::MemoryStore>(), keep, 5'000, fakes::seed());
}

TEST(StoreModel, the_store_in_memory_fails_when_it_is_told_to_and_changes_nothing) {
  fakes::MemoryStore store;
  store.fail_change(ErrorCode::kRetryable, 1);
  EXPECT_TRUE(store.set_value("a", "1"));
  EXPECT_EQ(store.set_value("a", "2").error().code, ErrorCode::kRetryable);
  EXPECT_EQ(store.value("a").value(), "1");
  EXPECT_TRUE(store.set_value("a", "3"));
  store.fail_every_change(ErrorCode::kFatal);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(store.prepare({{}, {1}, {}}).error().code, ErrorCode::kFatal);
  }
  EXPECT_FALSE(store.lane({}).value().prepared);
  store.fail_every_change(std::nullopt);
  EXPECT_TRUE(store.prepare({{}, {1}, {}}));
  EXPECT_EQ(store.changes(), 7u);
}

}  // namespace
}  // namespace longshore::checkpoint
