// Goal: the fake, which lane tests and the simulation trust, behaves like a broker: it keeps a
// transaction whole or not at all, a group has one owner, and each fault happens exactly when it
// was requested.
// Method: one case for each rule.

#include "tests/fakes/scripted_kafka.h"

#include <gtest/gtest.h>
#include <poll.h>

namespace longshore::fakes {
namespace {

using shipper::Chunk;
using shipper::Report;
using shipper::Session;

const TopicPartition kLogs{"logs", 1};
const std::string kGroup = "longshore-agent.h.0";

class ScriptedKafkaTest : public testing::Test {
 protected:
  ScriptedKafkaTest() { kafka_.add_topic("logs", 2); }

  std::unique_ptr<Session> open(bool transactional = true) {
    auto session = kafka_.open({.group = kGroup, .transactional = transactional});
    EXPECT_TRUE(session);
    if (transactional) {
      EXPECT_TRUE(session.value()->init_transactions(0));
      EXPECT_TRUE(session.value()->begin());
    }
    return std::move(session).value();
  }

  Chunk& chunk(const std::vector<std::string>& values) {
    Chunk& made = *chunks_.emplace_back(std::make_unique<Chunk>());
    made.key = "k";
    made.read.reserve(1000);
    for (const std::string& value : values) {
      char* const at = made.read.data() + made.read.size();
      std::copy(value.begin(), value.end(), at);
      made.read.resize(made.read.size() + value.size());
      rd_kafka_message_t& message = made.messages.emplace_back();
      message.payload = at;
      message.len = value.size();
      message.key = made.key.data();
      message.key_len = made.key.size();
      message._private = &made;
    }
    return made;
  }

  ScriptedKafka kafka_;
  std::vector<std::unique_ptr<Chunk>> chunks_;
  std::vector<Report> out_;
};

TEST_F(ScriptedKafkaTest, a_transaction_appears_whole_at_its_commit) {
  auto session = open();
  Chunk& lines = chunk({"a", "b"});
  ASSERT_TRUE(session->produce(&lines, 0, kLogs));
  pollfd wait{.fd = session->report_fd(), .events = POLLIN, .revents = 0};
  EXPECT_EQ(poll(&wait, 1, 0), 1);
  ASSERT_TRUE(session->reports(0, out_));
  EXPECT_EQ(poll(&wait, 1, 0), 0);
  ASSERT_EQ(out_.size(), 1u);
  EXPECT_EQ(out_[0].records, 2u);
  EXPECT_EQ(lines.unreported, 0u);
  ASSERT_TRUE(session->send_offset({1}, "d1", 0));
  EXPECT_TRUE(kafka_.records(kLogs).empty());
  EXPECT_FALSE(kafka_.offset(kGroup).known);

  ASSERT_TRUE(session->commit(0, out_));
  EXPECT_EQ(kafka_.records(kLogs), (std::vector<Record>{{"k", "a"}, {"k", "b"}}));
  EXPECT_EQ(kafka_.offset(kGroup).number.value, 1u);
  EXPECT_EQ(kafka_.offset(kGroup).digest, "d1");

  kafka_.undo_last_commit();
  EXPECT_TRUE(kafka_.records(kLogs).empty());
  EXPECT_FALSE(kafka_.offset(kGroup).known);
}

TEST_F(ScriptedKafkaTest, a_session_that_goes_or_is_fenced_aborts) {
  auto first = open();
  ASSERT_TRUE(first->produce(&chunk({"a"}), 0, kLogs));
  auto second = open();
  const Status late = first->commit(0, out_);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, ErrorCode::kSessionGone);
  ASSERT_TRUE(second->produce(&chunk({"b"}), 0, kLogs));
  first.reset();
  second.reset();
  EXPECT_TRUE(kafka_.records(kLogs).empty());
  EXPECT_EQ(kafka_.open_sessions(), 0u);
}

TEST_F(ScriptedKafkaTest, a_commit_may_succeed_and_say_that_it_did_not) {
  kafka_.fail({.call = Call::kCommit, .code = ErrorCode::kRetryable, .done_anyway = true});
  auto session = open();
  ASSERT_TRUE(session->produce(&chunk({"a"}), 0, kLogs));
  EXPECT_FALSE(session->commit(0, out_));
  EXPECT_EQ(kafka_.records(kLogs).size(), 1u);
  EXPECT_TRUE(session->commit(0, out_));
  EXPECT_EQ(kafka_.records(kLogs).size(), 1u);
  EXPECT_EQ(kafka_.commits(), 1u);
}

TEST_F(ScriptedKafkaTest, the_nth_call_fails_and_its_session_is_gone) {
  kafka_.fail({.call = Call::kProduce, .nth = 2, .trouble = Trouble::kTooLarge});
  auto session = open();
  Chunk& lines = chunk({"a", "b"});
  ASSERT_TRUE(session->produce(&lines, 1, kLogs));
  EXPECT_FALSE(session->produce(&lines, 1, kLogs));
  EXPECT_EQ(session->last_trouble(), Trouble::kTooLarge);
  EXPECT_FALSE(session->commit(0, out_));
  EXPECT_EQ(kafka_.calls(Call::kProduce), 2u);
}

TEST_F(ScriptedKafkaTest, a_failed_delivery_spoils_its_transaction) {
  kafka_.fail_deliveries(kLogs, 1, Trouble::kPartition);
  auto session = open();
  ASSERT_TRUE(session->produce(&chunk({"a", "b"}), 0, kLogs));
  ASSERT_TRUE(session->reports(0, out_));
  ASSERT_EQ(out_.size(), 2u);
  EXPECT_EQ(out_[0].trouble, Trouble::kPartition);
  EXPECT_EQ(out_[1].trouble, Trouble::kNone);
  EXPECT_FALSE(session->commit(0, out_));
  EXPECT_EQ(session->last_trouble(), Trouble::kPartition);
  EXPECT_TRUE(kafka_.records(kLogs).empty());
}

TEST_F(ScriptedKafkaTest, at_least_once_records_appear_at_their_delivery) {
  kafka_.set_queue_records_max(2);
  auto session = open(false);
  Chunk& lines = chunk({"a", "b", "c"});
  EXPECT_EQ(session->produce(&lines, 0, kLogs).value(), 2u);
  EXPECT_EQ(session->produce(&lines, 2, kLogs).value(), 0u);
  ASSERT_TRUE(session->flush(0, out_));
  EXPECT_EQ(session->produce(&lines, 2, kLogs).value(), 1u);
  EXPECT_EQ(kafka_.records(kLogs).size(), 2u);
  ASSERT_TRUE(session->flush(0, out_));
  EXPECT_EQ(kafka_.records(kLogs).size(), 3u);
}

TEST_F(ScriptedKafkaTest, queries_answer_as_a_broker_would) {
  EXPECT_EQ(kafka_.topic_shape("logs", 0).value().partitions, 2);
  EXPECT_EQ(kafka_.topic_shape("none", 0).error().code, ErrorCode::kNotFound);
  kafka_.forbid_topic("logs");
  EXPECT_EQ(kafka_.topic_shape("logs", 0).error().code, ErrorCode::kInvalid);
  kafka_.set_unstable(true);
  EXPECT_TRUE(kafka_.committed(kGroup, false, 0));
  EXPECT_EQ(kafka_.committed(kGroup, true, 0).error().code, ErrorCode::kUndecided);
  kafka_.set_away(true);
  EXPECT_EQ(kafka_.cluster_id(0).error().code, ErrorCode::kRetryable);
  kafka_.set_away(false);
  kafka_.remove_topic(shipper::kCheckpointTopic);
  EXPECT_EQ(kafka_.committed(kGroup, true, 0).error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace longshore::fakes
