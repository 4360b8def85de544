// Goal: every source gets its turn, in order, after something happened to it or when its time has
// come, and at no other time.
// Method: the calls of a lane one by one, then random calls compared with a model of two lists.

#include "agent/lane/scheduler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <random>
#include <vector>

namespace longshore::agent {
namespace {

class SchedulerTest : public testing::Test {
 protected:
  SchedulerTest() {
    for (uint64_t id = 0; id < 5; ++id) {
      auto spec = std::make_shared<SourceSpec>();
      spec->id = {id};
      spec->declaration = std::make_shared<const Declaration>();
      sources_.push_back(std::make_unique<LaneSource>(spec, checkpoint::SourceState{},
                                                      shipper::Envelope{}, 0, Boots{}));
    }
  }

  LaneSource& source(size_t number) { return *sources_[number]; }
  int next() {
    const LaneSource* const ready = scheduler_.next();
    return ready == nullptr ? -1 : static_cast<int>(ready->spec->id.value);
  }
  std::vector<int> all() {
    std::vector<int> order;
    for (int id = next(); id >= 0; id = next()) order.push_back(id);
    return order;
  }

  std::vector<std::unique_ptr<LaneSource>> sources_;
  Scheduler scheduler_;
};

using Order = std::vector<int>;

TEST_F(SchedulerTest, sources_take_turns_in_the_order_in_which_they_became_ready) {
  EXPECT_FALSE(scheduler_.has_ready());
  for (const size_t id : {2, 0, 2, 1}) scheduler_.make_ready(source(id));
  EXPECT_EQ(next(), 2);
  scheduler_.make_ready(source(2));
  EXPECT_EQ(all(), (Order{0, 1, 2}));
  EXPECT_FALSE(scheduler_.has_ready());
}

TEST_F(SchedulerTest, one_tenant_of_many_sources_does_not_hold_up_the_others) {
  Declaration declaration;
  declaration.name = "other";
  for (const size_t id : {3, 4}) {
    SourceSpec spec = *source(id).spec;
    if (id == 3) spec.container_id = "c";
    if (id == 4) spec.declaration = std::make_shared<const Declaration>(declaration);
    source(id).spec = std::make_shared<const SourceSpec>(spec);
  }
  for (size_t id = 0; id < 5; ++id) scheduler_.make_ready(source(id));
  EXPECT_EQ(next(), 0);
  scheduler_.make_ready(source(0));
  EXPECT_EQ(all(), (Order{3, 4, 1, 2, 0}));
}

TEST_F(SchedulerTest, after_a_round_the_next_transaction_comes_first_and_full_destinations_last) {
  for (size_t id = 0; id < 5; ++id) scheduler_.make_ready(source(id));
  EXPECT_EQ(next(), 0);
  scheduler_.wait_for_room(source(0));
  EXPECT_EQ(next(), 1);
  scheduler_.wait_for_next_transaction(source(1));
  EXPECT_EQ(next(), 2);
  const Scheduler::Round round = scheduler_.end_round();
  EXPECT_TRUE(round.room_missing && round.transaction_missing);
  EXPECT_EQ(all(), (Order{1, 3, 4, 0}));
  const Scheduler::Round idle = scheduler_.end_round();
  EXPECT_FALSE(idle.room_missing || idle.transaction_missing);
}

TEST_F(SchedulerTest, a_source_wakes_at_its_last_time_or_when_something_happens) {
  scheduler_.wake_at(source(0), 30);
  scheduler_.wake_at(source(1), 20);
  scheduler_.wake_at(source(2), 20);
  scheduler_.wake_at(source(1), 40);
  EXPECT_EQ(scheduler_.next_wake_ns(), 20);
  scheduler_.wake_due(19);
  EXPECT_FALSE(scheduler_.has_ready());
  scheduler_.make_ready(source(2));
  EXPECT_EQ(scheduler_.next_wake_ns(), 30);
  scheduler_.wake_due(30);
  EXPECT_EQ(all(), (Order{2, 0}));
  scheduler_.wake_due(100);
  EXPECT_EQ(all(), Order{1});
  EXPECT_EQ(scheduler_.next_wake_ns(), 0);
}

TEST_F(SchedulerTest, random_calls_do_what_two_lists_do) {
  const auto seed = static_cast<unsigned>(std::random_device{}());
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  std::deque<int> ring;
  std::vector<std::pair<int64_t, int>> wakes;  // In the order of the calls.
  const auto ready = [&](int id) {
    if (std::ranges::find(ring, id) != ring.end()) return;
    std::erase_if(wakes, [&](const auto& wake) { return wake.second == id; });
    ring.push_back(id);
  };
  int turns = 0;
  for (int64_t now = 1; now < 20'000; ++now) {
    const int id = static_cast<int>(random() % 5);
    if (random() % 3 == 0) {
      ready(id);
      scheduler_.make_ready(source(static_cast<size_t>(id)));
    }
    std::ranges::stable_sort(wakes, {}, &std::pair<int64_t, int>::first);
    while (!wakes.empty() && wakes.front().first <= now) ready(int{wakes.front().second});
    scheduler_.wake_due(now);
    EXPECT_EQ(scheduler_.next_wake_ns(), wakes.empty() ? 0 : wakes.front().first);
    const int expected = ring.empty() ? -1 : ring.front();
    ASSERT_EQ(next(), expected);
    if (expected < 0) continue;
    ++turns;
    ring.pop_front();
    if (random() % 2 == 0) continue;
    const int64_t at = now + 1 + static_cast<int64_t>(random() % 20);
    wakes.emplace_back(at, expected);
    scheduler_.wake_at(source(static_cast<size_t>(expected)), at);
  }
  EXPECT_GT(turns, 5000);
}

}  // namespace
}  // namespace longshore::agent
