// Goal: a partition that takes nothing is parked within seconds, a slow one is not, and Kafka away
// is told once. Method: destinations with records out, on a clock that the test moves, and a
// scripted Kafka.

#include "agent/lane/stuck_partitions.h"

#include <gtest/gtest.h>

#include "tests/fakes/memory_store.h"
#include "tests/fakes/scripted_kafka.h"

namespace longshore::agent {
namespace {

constexpr int64_t kSecond = 1000 * limits::kMs;

class StepClock final : public Clock {
 public:
  int64_t wall_ns() const override { return now_; }
  int64_t monotonic_ns() const override { return now_; }
  void step(int64_t ns) { now_ += ns; }

 private:
  int64_t now_ = 1000 * kSecond;
};

class StuckPartitionsTest : public testing::Test {
 protected:
  StuckPartitionsTest() {
    kafka_.add_topic("good", 1);
    kafka_.add_topic("bad", 1);
    good_ = destinations_.find("good", {}, -1, now()).value();
    bad_ = destinations_.find("bad", {}, -1, now()).value();
    for (Destination* const each : {good_, bad_}) {
      each->records_out = 1;
      each->used_ns = each->silent_since_ns = now();
    }
  }
  int64_t now() const { return clock_.monotonic_ns(); }
  void answer(Destination& from) {
    stuck_.answered(now() - from.silent_since_ns);
    from.silent_since_ns = now();
  }
  // When looking ends the session, in tenths of a second, while the good partition answers.
  int ended_after(bool answers, int most) {
    for (int tenths = 1; tenths <= most; ++tenths) {
      clock_.step(kSecond / 10);
      if (answers) answer(*good_);
      const Status looked = stuck_.look();
      if (looked) continue;
      EXPECT_EQ(looked.error().code, ErrorCode::kSessionGone);
      return tenths;
    }
    return 0;
  }

  StepClock clock_;
  SystemWaiter waiter_{clock_};
  fakes::MemoryStore store_;
  fakes::ScriptedKafka kafka_;
  Mailbox<ToLane> inbox_;
  Mailbox<ToWatch> outbox_;
  LaneProgress progress_;
  LaneSetup setup_{.options = {},
                   .store = store_,
                   .kafka = kafka_,
                   .clock = clock_,
                   .waiter = waiter_,
                   .inbox = inbox_,
                   .outbox = outbox_,
                   .progress = progress_};
  Destinations destinations_{{.host_id = "host"}, kafka_};
  KafkaOutage outage_{setup_};
  StuckPartitions stuck_{clock_, destinations_, outage_};
  Destination* good_ = nullptr;
  Destination* bad_ = nullptr;
};

TEST_F(StuckPartitionsTest, a_reason_that_kafka_knows_counts_at_once) {
  kafka_.set_leader({"bad", 0}, false);
  const int tenths = ended_after(true, 100);
  EXPECT_GE(tenths, 15);
  EXPECT_LE(tenths, 20);
  EXPECT_FALSE(destinations_.is_usable(*bad_, now()));
  EXPECT_TRUE(destinations_.is_usable(*good_, now()));
  // It is looked at again, and used when it has a leader.
  clock_.step(limits::kUnusableLookNs);
  EXPECT_FALSE(destinations_.is_usable(*bad_, now()));
  clock_.step(limits::kUnusableLookNs);
  kafka_.set_leader({"bad", 0}, true);
  EXPECT_TRUE(destinations_.is_usable(*bad_, now()));
}

TEST_F(StuckPartitionsTest, silence_without_a_reason_counts_while_others_answer) {
  const int tenths = ended_after(true, 100);
  EXPECT_GE(tenths, 50);
  EXPECT_LE(tenths, 55);
  EXPECT_FALSE(destinations_.is_usable(*bad_, now()));
  EXPECT_TRUE(destinations_.is_usable(*good_, now()));
  clock_.step(limits::kParkNsMin);
  EXPECT_TRUE(destinations_.is_usable(*bad_, now()));
}

TEST_F(StuckPartitionsTest, silence_of_all_is_waited_for_longer_and_parks_none) {
  EXPECT_GE(ended_after(false, 300), 160);
  EXPECT_TRUE(destinations_.is_usable(*bad_, now()));
  EXPECT_TRUE(destinations_.is_usable(*good_, now()));
}

TEST_F(StuckPartitionsTest, what_is_slow_anyway_gets_more_time) {
  clock_.step(10 * kSecond);
  answer(*good_);
  answer(*bad_);
  EXPECT_EQ(ended_after(true, 300), 0);
  EXPECT_GT(ended_after(true, 300), 0);
}

TEST_F(StuckPartitionsTest, kafka_away_is_waited_for) {
  kafka_.set_away(true);
  EXPECT_EQ(ended_after(false, 1000), 0);
  EXPECT_TRUE(outage_.lasts());
  kafka_.set_away(false);
  answer(*good_);
  EXPECT_FALSE(outage_.lasts());
}

}  // namespace
}  // namespace longshore::agent
