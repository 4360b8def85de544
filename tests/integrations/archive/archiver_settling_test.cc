// Goal: a rebalance finds where each partition goes on, and one that cannot say it holds up no
// other. Method: an archiver on a directory gets partitions as from a pump; the directory hangs,
// and the ends of the topic move while it is asked.

#include "tests/integrations/archive/archiver_fixture.h"

namespace longshore::archive {
namespace {

TEST_F(ArchiverTest, a_partition_that_is_busy_at_a_rebalance_parks_no_other) {
  assign_both();
  read(0);
  target_.hangs = true;
  clock_.advance_hours(1);
  ASSERT_TRUE(archiver_.work(0));  // It begins to publish.
  archiver_.discard();
  assign_both();
  EXPECT_TRUE(archiver_.holds_back({"logs", 0}));
  EXPECT_FALSE(archiver_.holds_back({"logs", 1}));
  ASSERT_EQ(archiver_.parked().size(), 1u);
  target_.hangs = false;
  for (int i = 0; i < 500 && !archiver_.parked().empty(); ++i) {
    ASSERT_TRUE(archiver_.work(0));
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    clock_.advance_hours(1);
  }
  EXPECT_EQ(lines(), std::vector<std::string>{"0: 1-0"});
}

TEST_F(ArchiverTest, a_partition_that_settles_late_goes_on_in_the_same_membership) {
  assign_both();
  for (int64_t offset = 0; offset < 3; ++offset) read(offset);
  publish();
  archiver_.discard();
  target_.hangs = true;
  EXPECT_EQ(assign_both()[0].start, 9) << "it is passed over for now";
  ASSERT_EQ(archiver_.parked().size(), 1u);
  ASSERT_TRUE(archiver_.work(0));
  target_.hangs = false;
  const std::vector<kafka::Parking> back = resumed();
  ASSERT_EQ(back.size(), 1u);
  EXPECT_EQ(back[0].partition, (kafka::PartitionKey{"logs", 0}));
  EXPECT_EQ(back[0].offset, 3);
  EXPECT_TRUE(archiver_.parked().empty());
  read(3);
  publish();
  EXPECT_EQ(lines(), (std::vector<std::string>{"0: 1-0", "0: 1-1", "0: 1-2", "0: 1-3"}));
}

TEST_F(ArchiverTest, what_goes_on_is_not_taken_for_read_before_the_pump_went_back) {
  target_.hangs = true;
  assign_both();
  target_.hangs = false;
  for (int i = 0; i < 500 && !archiver_.parked().empty(); ++i) {
    ASSERT_TRUE(archiver_.work(0));
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  ASSERT_TRUE(archiver_.parked().empty());
  archiver_.read_to({"logs", 0}, 9);
  EXPECT_FALSE(archiver_.idle());
  kafka::Offsets done;
  archiver_.take_done(done);
  EXPECT_FALSE(done.contains({"logs", 0}));
}

TEST_F(ArchiverTest, a_chain_that_another_writer_went_on_with_is_no_shorter_topic) {
  EXPECT_EQ(assign(0, 3), 0);
  for (int64_t offset = 0; offset < 5; ++offset) read(offset);
  publish();
  archiver_.discard();
  topic_.set_ends(0, 6);
  EXPECT_EQ(join(0, 3), 5) << "its end was asked before the chain's";
  EXPECT_TRUE(archiver_.parked().empty());
  read(5);
  publish();
  EXPECT_EQ(lines().back(), "0: 1-5");
}

TEST_F(ArchiverTest, a_generation_without_a_file_begins_again_where_it_began) {
  EXPECT_EQ(assign(0, 5), 0);
  for (int64_t offset = 0; offset < 3; ++offset) read(offset);
  archiver_.read_to({"logs", 0}, 5);
  publish();
  archiver_.discard();
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(assign(0, 4), 3) << "Kafka lost its end, but no record";
    archiver_.discard();
  }
  EXPECT_EQ(assign(0, 7), 3);
  read(3);
  publish();
  EXPECT_EQ(lines(), (std::vector<std::string>{"0: 1-0", "0: 1-1", "0: 1-2", "0.2: 1-3"}));
}

}  // namespace
}  // namespace longshore::archive
