// Goal: a partition without a leader holds up its own logs only, in both modes, and a full state
// disk keeps the lane from sending what it would have to abort.
// Method: a real lane with real files and a real checkpoint database against a scripted Kafka,
// which loses a leader while a transaction is open.

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <chrono>
#include <csignal>
#include <thread>

#include "agent/lane/lane.h"
#include "tests/fakes/lane_host.h"
#include "tests/fakes/logged_words.h"

namespace longshore::agent {
namespace {

using fakes::Call;

class LaneTrouble : public testing::Test, protected Host {};

TEST_F(LaneTrouble, a_partition_without_a_leader_is_not_touched_and_parks_its_own_sources_only) {
  append("a", 10);
  append("b", 10);
  topics_["b"] = "lonely";
  kafka_.add_topic("lonely", 1);
  kafka_.set_leader({"lonely", 0}, false);
  stay_ = true;
  EXPECT_EQ(live().exit_status, 0);
  EXPECT_EQ(shipped()["a"], written_["a"]);
  EXPECT_EQ(kafka_.ids(), Lines{kGroup});
  kafka_.set_leader({"lonely", 0}, true);
  EXPECT_EQ(live().exit_status, 0);
  EXPECT_EQ(shipped("lonely")["b"], written_["b"]);
  EXPECT_EQ(shipped()["a"], written_["a"]);
}

/// A host with a log "b" in a topic that loses its only leader while its transaction is open.
struct LeaderlessHost : Host {
  LeaderlessHost() {
    append("a", 10);
    append("b", 10);
    topics_["b"] = "lonely";
    kafka_.add_topic("lonely", 1);
    stay_ = true;
    stay_for_ = std::chrono::seconds(5);
    meanwhile_ = [this](Mailbox<ToLane>& inbox) {
      while (shipped()["a"].size() < 10 || shipped("lonely")["b"].size() < 10) pause();
      std::this_thread::sleep_for(std::chrono::milliseconds(300));  // At least once: for its end.
      kafka_.set_leader({"lonely", 0}, false);
      append("b", 10);
      inbox.post(SourcesTouched{{opened("b").spec->id}});
      pause();
      append("a", 10);
      inbox.post(SourcesTouched{{opened("a").spec->id}});
    };
  }
  static void pause() { std::this_thread::sleep_for(std::chrono::milliseconds(10)); }
};

TEST(LaneWithoutLeader, goes_on_under_another_id_and_takes_the_first_up_again) {
  LeaderlessHost host;
  EXPECT_EQ(host.live().exit_status, 0);
  const std::string other = std::string(kGroup) + ".1";
  EXPECT_EQ(host.kafka_.ids(), (Lines{kGroup, other}));
  EXPECT_EQ(host.shipped()["a"], host.written_["a"]);
  EXPECT_EQ(host.shipped("lonely")["b"].size(), 10u);
  // The next life begins with the id that the last one used: it may have left something open.
  host.meanwhile_ = nullptr;
  host.append("a", 10);
  EXPECT_EQ(host.live().exit_status, 0);
  EXPECT_EQ(host.kafka_.ids(), (Lines{kGroup, other}));
  EXPECT_EQ(host.shipped()["a"], host.written_["a"]);
  host.kafka_.set_leader({"lonely", 0}, true);
  host.stay_for_ = std::chrono::seconds(1);
  EXPECT_EQ(host.live().exit_status, 0);
  EXPECT_EQ(host.shipped()["a"], host.written_["a"]);
  EXPECT_EQ(host.shipped("lonely")["b"], host.written_["b"]);
}

TEST(LaneWithoutLeader, at_least_once_sends_nothing_again_that_was_delivered) {
  LeaderlessHost host;
  EXPECT_EQ(host.live({.exactly_once = false}).exit_status, 0);
  EXPECT_EQ(host.shipped()["a"], host.written_["a"]);
  EXPECT_EQ(host.shipped("lonely")["b"].size(), 10u);
  host.meanwhile_ = nullptr;
  host.kafka_.set_leader({"lonely", 0}, true);
  EXPECT_EQ(host.live({.exactly_once = false}).exit_status, 0);
  EXPECT_EQ(host.shipped()["a"], host.written_["a"]);
  EXPECT_EQ(host.shipped("lonely")["b"], host.written_["b"]);
}

TEST(LaneWithoutLeader, an_outcome_that_is_open_is_waited_for) {
  LeaderlessHost host;
  host.kafka_.set_unstable(false);
  const auto lose = host.meanwhile_;
  host.meanwhile_ = [&](Mailbox<ToLane>& inbox) {
    lose(inbox);
    host.kafka_.set_unstable(true);
  };
  EXPECT_EQ(host.live().exit_status, 0);
  EXPECT_EQ(host.kafka_.ids(), Lines{kGroup});
  EXPECT_EQ(host.shipped()["a"].size(), 10u);
}

// On a copy of the state directory: either of the two has to fence the other.
TEST_F(LaneTrouble, an_id_that_another_agent_uses_is_not_left_while_every_partition_has_a_leader) {
  append("a", 10);
  EXPECT_EQ(live().exit_status, 0);
  append("a", 10);
  kafka_.fail({.call = Call::kInit, .nth = 2, .times = 40, .code = ErrorCode::kUndecided});
  stay_ = true;
  stay_for_ = std::chrono::seconds(4);
  EXPECT_EQ(live().exit_status, 0);
  EXPECT_EQ(kafka_.calls(Call::kInit), 42u);
  EXPECT_EQ(kafka_.ids(), Lines{kGroup});
  EXPECT_EQ(shipped()["a"], written_["a"]);
}

class LaneOutage : public testing::Test, protected Host {
 protected:
  LaneOutage() {
    append("a", 10);
    stay_ = true;
  }

  // Whether it is logged within ten seconds.
  bool is_told(const std::string& words) {
    for (int i = 0; i < 1'000 && words_.count(words) == 0; ++i) pause();
    return words_.count(words) > 0;
  }
  static void pause() { std::this_thread::sleep_for(std::chrono::milliseconds(10)); }

  const fakes::LoggedWords words_;
};

// It is told once that Kafka is away, and once that it is back; what is wrong then is told as well.
TEST_F(LaneOutage, hides_nothing_that_is_wrong_after_it) {
  kafka_.set_away(true);
  kafka_.remove_topic(shipper::kCheckpointTopic);
  meanwhile_ = [&](Mailbox<ToLane>&) {
    EXPECT_TRUE(is_told("Kafka is away: no broker answers. 1 logs wait"));
    const size_t calls = kafka_.calls(Call::kClusterId);
    while (kafka_.calls(Call::kClusterId) < calls + 3) pause();
    kafka_.set_away(false);
    EXPECT_TRUE(is_told("Topic longshore-checkpoint does not exist"));
    kafka_.add_topic(shipper::kCheckpointTopic, 1);
    while (shipped()["a"].size() < 10) pause();
  };
  EXPECT_EQ(live().exit_status, 0);
  EXPECT_EQ(words_.count("Kafka is away"), 1u);
  EXPECT_EQ(words_.count("Kafka is back"), 1u);
  EXPECT_EQ(words_.count("Trying again."), 1u);
}

TEST_F(LaneOutage, is_told_also_if_it_begins_while_a_predecessor_is_waited_for) {
  kafka_.fail({.call = Call::kInit, .code = ErrorCode::kRetryable});
  meanwhile_ = [&](Mailbox<ToLane>&) {
    while (kafka_.calls(Call::kInit) == 0) pause();
    kafka_.set_away(true);
    EXPECT_TRUE(is_told("Kafka is away"));
    kafka_.set_away(false);
    while (shipped()["a"].size() < 10) pause();
  };
  EXPECT_EQ(live().exit_status, 0);
  EXPECT_EQ(words_.count("Kafka is away"), 1u);
  EXPECT_EQ(words_.count("Kafka is back"), 1u);
}

// What the store refuses after a transaction was sent has to be aborted: up to --batch-bytes of it.
TEST_F(LaneTrouble, a_full_state_disk_is_probed_before_anything_is_sent_again) {
  append("a", 10);
  stay_ = true;
  size_t begun = 0;
  meanwhile_ = [&](Mailbox<ToLane>& inbox) {
    while (shipped()["a"].size() < 10) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    append("a", 10);
    std::signal(SIGXFSZ, SIG_IGN);
    rlimit usual{};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &usual), 0);
    const rlimit full{.rlim_cur = 1, .rlim_max = usual.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &full), 0);
    const size_t before = kafka_.calls(Call::kBegin);
    inbox.post(SourcesTouched{{opened("a").spec->id}});
    std::this_thread::sleep_for(std::chrono::seconds(3));
    begun = kafka_.calls(Call::kBegin) - before;
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &usual), 0);
    while (shipped()["a"].size() < 20) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  };
  EXPECT_EQ(live().exit_status, 0);
  EXPECT_EQ(begun, 1u);
  EXPECT_EQ(shipped(), written_);
}

}  // namespace
}  // namespace longshore::agent
