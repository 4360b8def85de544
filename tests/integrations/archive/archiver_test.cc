// Goal: records that were read while the archive did not answer are still archived, once.
// Method: an archiver on a directory gets partitions and records as from a pump; complete files
// wait because the directory refuses them.

#include "tests/integrations/archive/archiver_fixture.h"

namespace longshore::archive {
namespace {

TEST_F(ArchiverTest, a_file_that_waits_is_not_replaced_when_the_hour_ends) {
  EXPECT_EQ(assign(0, 10), 0);
  read(0, 100);
  seal();
  read(1, 100);
  // It waits still when the group shares out anew, and a record of the next hour comes.
  EXPECT_EQ(assign(0, 10), 2);
  read(2, 101);
  EXPECT_EQ(publish(), (std::vector<std::string>{"0-0: 1", "1-2: 2"}));
}

TEST_F(ArchiverTest, what_was_read_behind_a_file_that_waits_outlives_its_deletion_in_kafka) {
  EXPECT_EQ(assign(0, 10), 0);
  read(0, 100);
  seal();
  read(1, 100);
  EXPECT_EQ(assign(5, 10), 5);
  read(5, 100);
  EXPECT_EQ(publish(), (std::vector<std::string>{"0-0: 1", "1-5: 2"}));
}

TEST_F(ArchiverTest, what_is_published_may_be_committed_once) {
  EXPECT_EQ(assign(0, 10), 0);
  for (int64_t offset = 0; offset < 3; ++offset) read(offset, 100);
  kafka::Offsets done;
  archiver_.take_done(done);
  EXPECT_TRUE(done.empty());
  publish();
  archiver_.take_done(done);
  EXPECT_EQ(done, (kafka::Offsets{{{"logs", 0}, 3}}));
  done.clear();
  archiver_.take_done(done);
  EXPECT_TRUE(done.empty());
}

TEST_F(ArchiverTest, files_that_another_member_archived_are_dropped_and_end_the_membership) {
  EXPECT_EQ(assign(0, 10), 0);
  for (int64_t offset = 0; offset < 4; ++offset) read(offset);
  Archiver other(
      {.spool = {dir_.path(), Codec::kNone}, .layout = layout_}, target_, topic_, clock_,
      [](int) { return false; }, complaints_);
  std::vector<kafka::AssignedPartition> partitions(1);
  partitions[0] = {.key = {"logs", 0}, .low = 0, .high = 10};
  ASSERT_TRUE(other.assigned(partitions));
  for (int64_t offset = 0; offset < 2; ++offset) {
    const std::string value = topic_.value(offset);
    other.record(Topic::record(offset, value));
  }
  ASSERT_TRUE(other.flush());
  EXPECT_TRUE(archiver_.flush());
  const Status status = archiver_.work(0);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kRetryable);
  EXPECT_FALSE(archiver_.idle()) << "nothing may be committed";
  kafka::Offsets done;
  archiver_.take_done(done);
  EXPECT_EQ(done, (kafka::Offsets{{{"logs", 0}, 2}})) << "of ours either";
  archiver_.discard();
  EXPECT_TRUE(archiver_.work(0)) << "until partitions are assigned again";
  EXPECT_EQ(assign(0, 10), 2);
  EXPECT_EQ(publish(), (std::vector<std::string>{"0-1: 2"}));
}

TEST_F(ArchiverTest, a_topic_made_anew_while_nobody_looked_begins_another_chain) {
  EXPECT_EQ(assign(0, 3), 0);
  for (int64_t offset = 0; offset < 3; ++offset) read(offset);
  publish();
  archiver_.discard();
  topic_.renew(5);
  EXPECT_EQ(assign(0, 5), 0) << "though it is longer than the chain";
  for (int64_t offset = 0; offset < 5; ++offset) read(offset);
  publish();
  EXPECT_EQ(lines(), (std::vector<std::string>{"0: 1-0", "0: 1-1", "0: 1-2", "0.2: 2-0", "0.2: 2-1",
                                               "0.2: 2-2", "0.2: 2-3", "0.2: 2-4"}));
  archiver_.discard();
  EXPECT_EQ(assign(0, 5), 5) << "it is known again";
  topic_.renew(1);
  archiver_.discard();
  EXPECT_EQ(assign(0, 1), 0) << "a third life, shorter";
  read(0);
  publish();
  EXPECT_EQ(lines().back(), "0.3: 3-0");
}

TEST_F(ArchiverTest, a_topic_made_anew_while_a_file_grows_is_cut_where_it_begins) {
  EXPECT_EQ(assign(0, 3), 0);
  read(0);
  publish();
  read(1);
  read(2);
  topic_.renew(6);
  clock_.advance_hours(1);  // A pause: the fetch failed.
  for (int64_t offset = 3; offset < 6; ++offset) read(offset);
  const Status status = work();
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().message.find("made anew"), std::string::npos) << status.error().message;
  archiver_.discard();
  EXPECT_EQ(assign(0, 6), 0);
  for (int64_t offset = 0; offset < 6; ++offset) read(offset);
  publish();
  EXPECT_EQ(lines(), (std::vector<std::string>{"0: 1-0", "0: 1-1", "0: 1-2", "0.2: 2-0", "0.2: 2-1",
                                               "0.2: 2-2", "0.2: 2-3", "0.2: 2-4", "0.2: 2-5"}));
}

TEST_F(ArchiverTest, what_was_read_of_a_deleted_topic_is_published_before_the_new_one_is_read) {
  EXPECT_EQ(assign(0, 3), 0);
  for (int64_t offset = 0; offset < 3; ++offset) read(offset);
  archiver_.discard();
  topic_.renew(2);
  assign(0, 2);
  EXPECT_TRUE(archiver_.holds_back({"logs", 0}));
  ASSERT_FALSE(work());
  archiver_.discard();
  EXPECT_EQ(assign(0, 2), 0);
  read(0);
  read(1);
  publish();
  EXPECT_EQ(lines(),
            (std::vector<std::string>{"0: 1-0", "0: 1-1", "0: 1-2", "0.2: 2-0", "0.2: 2-1"}));
}

TEST_F(ArchiverTest, a_file_of_the_new_topic_alone_is_read_again_from_its_beginning) {
  EXPECT_EQ(assign(0, 2), 0);
  read(0);
  read(1);
  publish();
  topic_.renew(4);
  read(2);
  read(3);
  clock_.advance_hours(1);
  ASSERT_FALSE(work());
  archiver_.discard();
  EXPECT_EQ(assign(0, 4), 0);
  for (int64_t offset = 0; offset < 4; ++offset) read(offset);
  publish();
  EXPECT_EQ(lines(), (std::vector<std::string>{"0: 1-0", "0: 1-1", "0.2: 2-0", "0.2: 2-1",
                                               "0.2: 2-2", "0.2: 2-3"}));
}

TEST_F(ArchiverTest, nothing_is_published_while_kafka_cannot_say_which_topic_it_is) {
  EXPECT_EQ(assign(0, 3), 0);
  read(0);
  topic_.set_away(true);
  ASSERT_TRUE(archiver_.flush());
  EXPECT_FALSE(archiver_.idle());
  EXPECT_TRUE(lines().empty());
  topic_.set_away(false);
  publish();
  EXPECT_EQ(lines(), std::vector<std::string>{"0: 1-0"});
}

TEST_F(ArchiverTest, markers_after_the_last_record_belong_to_its_file_or_to_an_empty_one) {
  EXPECT_EQ(assign(0, 3), 0);
  read(0);
  archiver_.read_to({"logs", 0}, 2);
  EXPECT_EQ(publish(), std::vector<std::string>{"0-1: 1"});
  archiver_.read_to({"logs", 0}, 5);
  kafka::Offsets done;
  archiver_.take_done(done);
  EXPECT_EQ(done, (kafka::Offsets{{{"logs", 0}, 5}})) << "there is no lag";
  EXPECT_EQ(publish(), (std::vector<std::string>{"0-1: 1", "2-4: 0"}));
  archiver_.discard();
  EXPECT_EQ(assign(5, 5), 5) << "nothing was lost";
  read(5);
  EXPECT_EQ(publish(), (std::vector<std::string>{"0-1: 1", "2-4: 0", "5-5: 1"}));
}

TEST_F(ArchiverTest, a_partition_whose_chain_does_not_fit_is_parked_alone_and_comes_back) {
  const std::string claim = "_longshore/logs+1/00000000000000000000.claim";
  ASSERT_TRUE(target_.make_folder("_longshore/logs+1"));
  ASSERT_TRUE(target_.put(claim, "damaged"));
  assign_both();
  EXPECT_TRUE(archiver_.holds_back({"logs", 1}));
  EXPECT_FALSE(archiver_.holds_back({"logs", 0}));
  const std::string value = topic_.value(0);
  archiver_.record(Topic::record(0, value, 100, 1));
  read(0);
  ASSERT_TRUE(archiver_.flush());
  EXPECT_EQ(lines(), std::vector<std::string>{"0: 1-0"}) << "the other one goes on";
  ASSERT_EQ(archiver_.parked().size(), 1u);
  EXPECT_NE(archiver_.parked()[0].find("is not a claim of longshore"), std::string::npos);
  kafka::Offsets done;
  archiver_.take_done(done);
  EXPECT_FALSE(done.contains({"logs", 1}));
  EXPECT_FALSE(archiver_.idle());
  ASSERT_TRUE(target_.remove(claim));
  clock_.advance_hours(1);
  const std::vector<kafka::Parking> back = resumed();
  ASSERT_EQ(back.size(), 1u) << "without joining again";
  EXPECT_EQ(back[0].partition, (kafka::PartitionKey{"logs", 1}));
  EXPECT_EQ(back[0].offset, 0);
  EXPECT_TRUE(archiver_.parked().empty());
  archiver_.record(Topic::record(0, value, 100, 1));
  publish();
  EXPECT_EQ(lines(), (std::vector<std::string>{"0: 1-0", "1: 1-0"}));
}

TEST_F(ArchiverTest, an_archive_that_hangs_over_one_file_holds_up_no_other_partition) {
  std::vector<kafka::AssignedPartition> both(2);
  both[0] = {.key = {"logs", 0}, .low = 0, .high = 9};
  both[1] = {.key = {"logs", 1}, .low = 0, .high = 9};
  ASSERT_TRUE(archiver_.assigned(both));
  target_.hangs = true;
  int published = 0;
  for (int64_t offset = 0; offset < 3; ++offset) {
    const std::string value = topic_.value(offset);
    for (const int32_t partition : {0, 1})
      archiver_.record(Topic::record(offset, value, 100, partition));
    clock_.advance_hours(1);  // Both are due.
    for (int i = 0; i < 500 && lines().size() <= static_cast<size_t>(offset); ++i) {
      ASSERT_TRUE(archiver_.work(0));
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    published += 1;
    EXPECT_EQ(lines().back(), "1: 1-" + std::to_string(offset));
  }
  EXPECT_EQ(published, 3);
  EXPECT_FALSE(archiver_.holds_back({"logs", 1}));
  target_.hangs = false;
  publish();
  EXPECT_EQ(lines(),
            (std::vector<std::string>{"0: 1-0", "0: 1-1", "0: 1-2", "1: 1-0", "1: 1-1", "1: 1-2"}));
}

TEST_F(ArchiverOnce, records_that_come_meanwhile_are_left) {
  EXPECT_EQ(assign(0, 3), 0);
  EXPECT_FALSE(archiver_.finished());
  for (int64_t offset = 0; offset < 2; ++offset) read(offset);
  EXPECT_FALSE(archiver_.finished());
  read(3);
  read(4);
  archiver_.read_to({"logs", 0}, 5);
  EXPECT_TRUE(finishes());
  kafka::Offsets done;
  archiver_.take_done(done);
  EXPECT_EQ(done, (kafka::Offsets{{{"logs", 0}, 3}}));
  EXPECT_EQ(lines(), (std::vector<std::string>{"0: 1-0", "0: 1-1"}));
}

TEST_F(ArchiverOnce, a_topic_that_always_grows_is_read_to_the_end_that_it_had) {
  EXPECT_EQ(assign(0, 3), 0);
  read(0);
  read(5);  // The offsets between are of a transaction's marker: nobody says that all was read.
  EXPECT_TRUE(finishes());
  kafka::Offsets done;
  archiver_.take_done(done);
  EXPECT_EQ(done, (kafka::Offsets{{{"logs", 0}, 3}}));
  EXPECT_EQ(lines(), std::vector<std::string>{"0: 1-0"});
}

TEST_F(ArchiverOnce, what_cannot_be_read_is_left_out_and_what_came_before_is_archived) {
  EXPECT_EQ(assign(0, 3), 0);
  read(0);
  archiver_.unreadable({"logs", 0}, limits::kReadTriesOnce - 1, "its checksum is wrong");
  EXPECT_TRUE(archiver_.left_out().empty());
  archiver_.unreadable({"logs", 0}, limits::kReadTriesOnce, "its checksum is wrong");
  EXPECT_FALSE(archiver_.finished());
  EXPECT_TRUE(finishes());
  EXPECT_EQ(lines(), std::vector<std::string>{"0: 1-0"});
  EXPECT_EQ(archiver_.left_out(), std::vector<std::string>{"logs[0]: its checksum is wrong"});
}

}  // namespace
}  // namespace longshore::archive
