// Goal: a lane never has more than its share of transactional ids, its next life knows which were
// in use, and it comes back to the first. Method: the calls of TakeOver and Housekeeping one by
// one, on a store in memory.

#include "agent/lane/transactional_ids.h"

#include <gtest/gtest.h>

#include <set>

#include "config/limits.h"
#include "tests/fakes/memory_store.h"
#include "tests/fakes/scripted_kafka.h"

namespace longshore::agent {
namespace {

class TransactionalIdsTest : public testing::Test {
 protected:
  SystemClock clock_;
  SystemWaiter waiter_{clock_};
  fakes::MemoryStore store_;
  fakes::ScriptedKafka kafka_;
  Mailbox<ToLane> inbox_;
  Mailbox<ToWatch> outbox_;
  LaneProgress progress_;
  LaneSetup setup_{.options = {.lane = {3}, .host_id = "host"},
                   .store = store_,
                   .kafka = kafka_,
                   .clock = clock_,
                   .waiter = waiter_,
                   .inbox = inbox_,
                   .outbox = outbox_,
                   .progress = progress_};
};

TEST_F(TransactionalIdsTest, the_first_is_the_groups_name) {
  TransactionalIds ids(setup_);
  ASSERT_TRUE(ids.load());
  EXPECT_EQ(ids.current(), lane_group("host", {3}));
  EXPECT_FALSE(ids.any_left());
}

TEST_F(TransactionalIdsTest, the_next_life_knows_which_one_is_used_and_which_are_left) {
  {
    TransactionalIds ids(setup_);
    ASSERT_TRUE(ids.load() && ids.leave() && ids.leave());
    EXPECT_EQ(ids.current(), "longshore-agent.host.3.2");
  }
  TransactionalIds ids(setup_);
  ASSERT_TRUE(ids.load());
  EXPECT_EQ(ids.current(), "longshore-agent.host.3.2");
  EXPECT_EQ(ids.first_left(), "longshore-agent.host.3");
  ids.first_left_is_busy();
  EXPECT_EQ(ids.first_left(), "longshore-agent.host.3.1");
  ASSERT_TRUE(ids.first_left_is_free());
  EXPECT_EQ(ids.current(), "longshore-agent.host.3.1");
  ASSERT_TRUE(ids.first_left_is_free());
  EXPECT_EQ(ids.current(), "longshore-agent.host.3");
  EXPECT_FALSE(ids.any_left());
}

TEST_F(TransactionalIdsTest, their_number_is_bounded) {
  TransactionalIds ids(setup_);
  ASSERT_TRUE(ids.load());
  std::set<std::string> used;
  for (uint32_t i = 0; i < 3 * limits::kTransactionalIdsMax; ++i) {
    used.insert(ids.current());
    ASSERT_TRUE(ids.leave());
  }
  EXPECT_EQ(used.size(), limits::kTransactionalIdsMax);
}

TEST_F(TransactionalIdsTest, a_damaged_value_is_the_first_one) {
  for (const char* const damaged : {"x", "99", "-1 0 0", "0 0 0 77"}) {
    ASSERT_TRUE(store_.set_value("transactional_ids.3", damaged));
    TransactionalIds ids(setup_);
    ASSERT_TRUE(ids.load());
    EXPECT_EQ(ids.current(), "longshore-agent.host.3") << damaged;
    EXPECT_FALSE(ids.any_left()) << damaged;
  }
}

}  // namespace
}  // namespace longshore::agent
