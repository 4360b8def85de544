// Goal: a member of a group reads from the place that its listener chooses and commits for later
// members, and gives up partitions that another member now owns.
// Method: real members of the embedded broker's group, in this process.

#include "integrations/kafka/group_reader.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <vector>

#include "integrations/kafka/embedded_broker.h"
#include "tests/fakes/produce.h"

namespace longshore::kafka {
namespace {

constexpr int kRecords = 1000;

bool all(const PartitionKey& /*key*/) { return true; }
bool none(const PartitionKey& /*key*/) { return false; }

/// One member and all that it was told.
class Member final : public GroupListener {
 public:
  explicit Member(const std::string& brokers, int64_t start = -1,
                  const std::string& group = "readers")
      : start_(start) {
    GroupOptions options;
    options.brokers = brokers;
    options.group = group;
    options.topics = {"logs"};
    options.settings = {{"session.timeout.ms", "6000"}, {"heartbeat.interval.ms", "200"}};
    auto reader = GroupReader::open(options, *this);
    EXPECT_TRUE(reader) << reader.error().message;
    if (reader) reader_ = *std::move(reader);
  }

  Status assigned(std::vector<AssignedPartition>& partitions) override {
    if (refuses_) return Error{ErrorCode::kRetryable, "no names"};
    partitions_ = partitions;
    for (AssignedPartition& partition : partitions) {
      if (start_ >= 0) partition.start = start_;
      next_[partition.key.partition] = partition.start;
    }
    return ok();
  }
  void revoked() override { revoked_ += 1, partitions_.clear(); }
  void lost() override { lost_ += 1, partitions_.clear(); }
  void unreadable(const PartitionKey& partition, int64_t next, const std::string&) override {
    unreadable_.emplace_back(partition.partition, next);
  }
  void left_out(const PartitionKey& partition, const std::string&) override {
    left_out_.push_back(partition.partition);
  }
  void record(const ReadRecord& record) override {
    EXPECT_EQ(record.offset, next_[record.partition]);
    EXPECT_EQ(record.value, std::to_string(record.offset * 2 + record.partition));
    EXPECT_GT(record.timestamp_ms, 0);
    next_[record.partition] = record.offset + 1;
    records_ += 1;
  }

  /// Polls until `holds` or 20 s are over.
  bool until(const std::function<bool()>& holds) {
    for (int polls = 0; polls < 400 && !holds(); ++polls) {
      const Status status = reader_->poll(50, 500);
      EXPECT_TRUE(status) << status.error().message;
    }
    return holds();
  }

  int64_t start_;
  bool refuses_ = false;
  std::unique_ptr<GroupReader> reader_;
  std::vector<AssignedPartition> partitions_;
  std::vector<int32_t> left_out_;
  std::map<int32_t, int64_t> next_;
  std::vector<std::pair<int32_t, int64_t>> unreadable_;
  int records_ = 0, revoked_ = 0, lost_ = 0;
};

class GroupReaderTest : public ::testing::Test {
 protected:
  GroupReaderTest() {
    auto broker = EmbeddedBroker::start({{"logs", 2}});
    EXPECT_TRUE(broker) << broker.error().message;
    broker_ = *std::move(broker);
    fakes::produce(broker_->bootstrap(), kRecords, 2);
  }
  std::unique_ptr<EmbeddedBroker> broker_;
};

TEST_F(GroupReaderTest, a_partition_that_librdkafka_gave_up_is_read_again_from_where_it_is_wanted) {
  Member member(broker_->bootstrap());
  EXPECT_TRUE(member.until([&] { return member.reader_->at_end(); }));
  const PartitionKey zero{"logs", 0};
  member.reader_->rewind(zero, 10 * kRecords);
  EXPECT_TRUE(member.reader_->pause_where(none));
  member.reader_->rewind(zero, 10);  // Before Kafka answers that there is no such offset.
  for (int polls = 0; polls < 20; ++polls) EXPECT_TRUE(member.reader_->poll(50, 500));
  member.next_[0] = 10;
  EXPECT_TRUE(member.reader_->pause_where(none));
  EXPECT_TRUE(member.until([&] { return member.reader_->at_end(); }));
  EXPECT_EQ(member.next_[0], kRecords / 2);
  EXPECT_EQ(member.records_, kRecords + kRecords / 2 - 10) << "nothing of the other one came twice";
}

TEST_F(GroupReaderTest, a_member_reads_all_from_the_beginning_and_knows_the_end) {
  Member member(broker_->bootstrap());
  EXPECT_TRUE(member.until([&] { return member.reader_->at_end(); }));
  EXPECT_EQ(member.records_, kRecords);
  ASSERT_EQ(member.partitions_.size(), 2u);
  EXPECT_EQ(member.partitions_[0].committed, -1);
  EXPECT_EQ(member.partitions_[0].high, kRecords / 2);
  for (const GroupPosition& position : member.reader_->positions())
    EXPECT_EQ(position.next, kRecords / 2);
}

TEST_F(GroupReaderTest, what_was_committed_is_where_the_next_member_begins) {
  {
    Member member(broker_->bootstrap());
    ASSERT_TRUE(member.until([&] { return member.reader_->at_end(); }));
    for (int32_t partition = 0; partition < 2; ++partition) {
      const Status status = member.reader_->commit({"logs", partition}, 100 + partition, "", 5'000);
      EXPECT_TRUE(status) << status.error().message;
    }
    member.reader_->close(5'000);
    EXPECT_EQ(member.revoked_, 1);
  }
  Member heir(broker_->bootstrap());
  ASSERT_TRUE(heir.until([&] { return heir.reader_->at_end(); }));
  EXPECT_EQ(heir.records_, kRecords - 100 - 101);
}

TEST_F(GroupReaderTest, a_member_leaves_while_records_wait_to_be_handed_over) {
  // In groups of their own, so that all of them join at once: each group takes 3 s for that.
  std::vector<std::unique_ptr<Member>> members;
  for (int i = 0; i < 5; ++i)
    members.push_back(
        std::make_unique<Member>(broker_->bootstrap(), -1, "readers-" + std::to_string(i)));
  for (const auto& member : members) {
    for (int polls = 0; polls < 400 && member->records_ == 0; ++polls)
      ASSERT_TRUE(member->reader_->poll(50, 1));
    EXPECT_EQ(member->records_, 1);
    member->reader_->close(5'000);
    EXPECT_EQ(member->revoked_, 1);
  }
}

TEST_F(GroupReaderTest, the_owner_may_begin_elsewhere_than_the_group_did) {
  Member member(broker_->bootstrap(), 400);
  ASSERT_TRUE(member.until([&] { return member.reader_->at_end(); }));
  EXPECT_EQ(member.records_, 200);
}

TEST_F(GroupReaderTest, a_second_member_takes_its_share_and_the_first_is_told_before) {
  Member first(broker_->bootstrap());
  ASSERT_TRUE(first.until([&] { return first.reader_->at_end(); }));
  Member second(broker_->bootstrap());
  for (int polls = 0; polls < 200 && second.partitions_.empty(); ++polls) {
    EXPECT_TRUE(first.reader_->poll(50, 100));
    EXPECT_TRUE(second.reader_->poll(50, 100));
  }
  EXPECT_TRUE(first.until([&] { return first.reader_->joined(); }));
  EXPECT_GE(first.revoked_, 1);
  ASSERT_EQ(first.partitions_.size(), 1u);
  ASSERT_EQ(second.partitions_.size(), 1u);
  EXPECT_NE(first.partitions_[0].key, second.partitions_[0].key);
}

TEST_F(GroupReaderTest, a_paused_partition_is_silent_and_goes_on_where_it_was) {
  Member member(broker_->bootstrap());
  ASSERT_TRUE(member.until([&] { return member.records_ > 10; }));
  ASSERT_TRUE(member.reader_->pause_where(all));
  const int before = member.records_;
  for (int polls = 0; polls < 10; ++polls) EXPECT_TRUE(member.reader_->poll(20, 1000));
  EXPECT_EQ(member.records_, before);
  ASSERT_TRUE(member.reader_->pause_where(none));
  EXPECT_TRUE(member.until([&] { return member.reader_->at_end(); }));
  EXPECT_EQ(member.records_, kRecords);
}

TEST_F(GroupReaderTest, to_resume_what_is_not_paused_hands_nothing_over_again) {
  Member member(broker_->bootstrap());
  ASSERT_TRUE(member.until([&] { return member.records_ > 10; }));
  for (int polls = 0; polls < 20; ++polls) {
    ASSERT_TRUE(member.reader_->pause_where(none));
    EXPECT_TRUE(member.reader_->poll(20, 50));
  }
  EXPECT_TRUE(member.until([&] { return member.reader_->at_end(); }));
  EXPECT_EQ(member.records_, kRecords);
}

TEST_F(GroupReaderTest, one_partition_is_paused_and_the_other_is_read) {
  Member member(broker_->bootstrap());
  ASSERT_TRUE(member.until([&] { return member.records_ > 10; }));
  ASSERT_TRUE(
      member.reader_->pause_where([](const PartitionKey& key) { return key.partition == 0; }));
  const int64_t paused_at = member.next_[0];
  EXPECT_TRUE(member.until([&] { return member.next_[1] == kRecords / 2; }));
  EXPECT_EQ(member.next_[0], paused_at);
  ASSERT_TRUE(member.reader_->pause_where(none));
  EXPECT_TRUE(member.until([&] { return member.reader_->at_end(); }));
}

TEST_F(GroupReaderTest, a_partition_that_is_rewound_is_silent_until_it_is_resumed) {
  Member member(broker_->bootstrap());
  ASSERT_TRUE(member.until([&] { return member.next_[0] == kRecords / 2; }));
  member.reader_->rewind({"logs", 0}, 200);
  const int64_t before = member.next_[0];
  ASSERT_TRUE(
      member.reader_->pause_where([](const PartitionKey& key) { return key.partition == 0; }));
  ASSERT_TRUE(member.until([&] { return member.next_[1] == kRecords / 2; }));
  EXPECT_EQ(member.next_[0], before);
  EXPECT_FALSE(member.reader_->at_end());
  member.next_[0] = 200;
  ASSERT_TRUE(member.reader_->pause_where(none));
  EXPECT_TRUE(member.until([&] { return member.reader_->at_end(); }));
  EXPECT_EQ(member.next_[0], kRecords / 2);
  EXPECT_EQ(member.records_, kRecords + kRecords / 2 - 200);
  // In the middle of reading, and without ever having been paused.
  member.reader_->rewind({"logs", 1}, 100);
  member.next_[1] = 100;
  ASSERT_TRUE(member.reader_->pause_where(none));
  EXPECT_TRUE(member.until([&] { return member.reader_->at_end(); }));
  EXPECT_EQ(member.next_[1], kRecords / 2);
}

TEST_F(GroupReaderTest, a_pause_does_not_outlive_the_assignment) {
  Member first(broker_->bootstrap());
  ASSERT_TRUE(first.until([&] { return first.records_ > 10; }));
  ASSERT_TRUE(first.reader_->pause_where(all));
  Member second(broker_->bootstrap());
  for (int polls = 0; polls < 200 && second.partitions_.empty(); ++polls) {
    EXPECT_TRUE(first.reader_->poll(50, 100));
    EXPECT_TRUE(second.reader_->poll(50, 100));
  }
  EXPECT_TRUE(first.until([&] { return first.reader_->at_end(); }));
}

TEST_F(GroupReaderTest, an_owner_that_cannot_begin_ends_the_poll) {
  Member member(broker_->bootstrap());
  member.refuses_ = true;
  Status status = ok();
  for (int polls = 0; polls < 400 && status; ++polls) status = member.reader_->poll(50, 10);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message, "no names");
}

TEST(GroupReader, a_setting_that_its_promise_rests_on_is_refused) {
  struct Nobody final : GroupListener {
    Status assigned(std::vector<AssignedPartition>&) override { return ok(); }
    void revoked() override {}
    void lost() override {}
    void unreadable(const PartitionKey&, int64_t, const std::string&) override {}
    void left_out(const PartitionKey&, const std::string&) override {}
    void record(const ReadRecord&) override {}
  } nobody;
  GroupOptions options;
  options.brokers = "127.0.0.1:1";
  options.group = "readers";
  options.topics = {"logs"};
  options.settings = {{"enable.auto.commit", "true"}};
  const auto reader = GroupReader::open(options, nobody);
  ASSERT_FALSE(reader);
  EXPECT_EQ(reader.error().code, ErrorCode::kInvalid);
  options.settings = {{"session.timeout.ms", "6000"}};
  const auto away = GroupReader::open(options, nobody);
  ASSERT_TRUE(away) << away.error().message;
  EXPECT_TRUE(away.value()->poll(50, 10)) << "a broker that is away is waited for";
  away.value()->close(500);
}

}  // namespace
}  // namespace longshore::kafka
