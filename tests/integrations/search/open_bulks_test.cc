// Goal: an offset is committed only when every item before it has its final answer, and never goes
// back.
// Method: small cases, then random ends compared with a model that knows every record.

#include "integrations/search/open_bulks.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace longshore::search {
namespace {

std::shared_ptr<Bulk> bulk_of(const std::vector<std::pair<int32_t, int64_t>>& records) {
  auto bulk = std::make_shared<Bulk>();
  for (const auto& [partition, offset] : records) {
    kafka::ReadRecord record;
    record.topic = "t";
    record.partition = partition;
    record.offset = offset;
    bulk->add(record);
  }
  return bulk;
}

TEST(OpenBulks, one_that_is_open_holds_back_those_behind_it) {
  OpenBulks open;
  const auto first = bulk_of({{0, 5}, {1, 7}}), second = bulk_of({{0, 6}, {0, 8}});
  open.open(first);
  open.open(second);
  kafka::Offsets offsets;
  open.end(*second);
  open.take_ended(offsets);
  EXPECT_TRUE(offsets.empty());
  open.end(*first);
  open.take_ended(offsets);
  EXPECT_EQ(offsets, (kafka::Offsets{{{"t", 0}, 9}, {{"t", 1}, 8}}));
  EXPECT_TRUE(open.empty());
}

TEST(OpenBulks, what_was_cancelled_is_never_committed) {
  OpenBulks open;
  const auto bulk = bulk_of({{0, 5}});
  open.open(bulk);
  open.cancel_all();
  EXPECT_TRUE(bulk->cancelled);
  open.end(*bulk);
  kafka::Offsets offsets;
  open.take_ended(offsets);
  EXPECT_TRUE(offsets.empty());
}

TEST(OpenBulks, what_is_parked_is_committed_up_to_where_it_stopped) {
  OpenBulks open;
  const auto first = bulk_of({{0, 5}, {0, 6}, {1, 7}}), second = bulk_of({{0, 7}, {1, 8}}),
             third = bulk_of({{0, 8}, {1, 9}});
  for (const auto& bulk : {first, second, third}) open.open(bulk);
  const kafka::PartitionKey zero{"t", 0};
  // The later one is told first; the earlier one knows better.
  EXPECT_TRUE(open.park(*second, zero, 7));
  EXPECT_TRUE(open.park(*first, zero, 6));
  EXPECT_FALSE(open.park(*third, zero, 8));
  for (const auto& bulk : {third, second, first}) EXPECT_TRUE(open.end(*bulk));
  kafka::Offsets offsets;
  open.take_ended(offsets);
  EXPECT_EQ(offsets, (kafka::Offsets{{zero, 6}, {{"t", 1}, 10}}));
  EXPECT_FALSE(open.park(*first, zero, 5)) << "it is not open";
  // Read again, it counts again.
  const auto again = bulk_of({{0, 6}, {0, 7}});
  open.open(again);
  open.end(*again);
  open.take_ended(offsets);
  EXPECT_EQ(offsets[zero], 8);
}

TEST(OpenBulks, random_ends_commit_exactly_what_is_done) {
  std::minstd_rand random(20261121);
  size_t committed = 0;
  for (int round = 0; round < 200; ++round) {
    OpenBulks open;
    std::vector<std::shared_ptr<Bulk>> all, left;  // All: an address must not come twice.
    std::map<int32_t, std::map<int64_t, const Bulk*>> where;
    std::map<int32_t, int64_t> next;
    kafka::Offsets offsets;
    for (int step = 0; step < 40; ++step) {
      if (random() % 2 == 0) {
        std::vector<std::pair<int32_t, int64_t>> records;
        for (size_t i = 0; i <= random() % 5; ++i) {
          const auto partition = static_cast<int32_t>(random() % 3);
          records.emplace_back(partition, next[partition]++);
        }
        left.push_back(bulk_of(records));
        all.push_back(left.back());
        open.open(left.back());
        for (const auto& [partition, offset] : records)
          where[partition][offset] = left.back().get();
      } else if (!left.empty()) {
        const auto at = left.begin() + static_cast<ptrdiff_t>(random() % left.size());
        open.end(**at);
        left.erase(at);
      }
      open.take_ended(offsets);
      for (const auto& [partition, offset] : offsets) {
        for (const auto& [record, bulk] : where[partition.partition]) {
          if (record >= offset) break;
          for (const auto& unended : left) ASSERT_NE(unended.get(), bulk) << "round " << round;
          ++committed;
        }
      }
    }
    while (!left.empty()) {
      open.end(*left.back());
      left.pop_back();
    }
    open.take_ended(offsets);
    for (const auto& [partition, end] : next)
      EXPECT_EQ((offsets[kafka::PartitionKey{"t", partition}]), end);
  }
  EXPECT_GT(committed, 1000u);
}

}  // namespace
}  // namespace longshore::search
