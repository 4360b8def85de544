// Goal: gaps, duplicates and reorderings of a source are counted exactly, in whatever order its
// records arrive.
// Method: named cases, then random deliveries compared with a model that keeps one counter for each
// byte.

#include "integrations/audit/audit.h"

#include <gtest/gtest.h>

#include <random>

#include "shipper/record/record_encoder.h"

namespace longshore::audit {
namespace {

class Feed {
 public:
  Feed& range(uint64_t start, uint64_t end, uint32_t flags = 0) {
    AuditedRecord record;
    record.start = {start};
    record.end = {end};
    record.flags = flags;
    audit.add(record, {.partition = 0, .offset = offset_++});
    return *this;
  }
  Feed& part(uint64_t start, uint64_t end, uint32_t number, bool last) {
    AuditedRecord record;
    record.start = {start};
    record.end = {end};
    record.split = true;
    record.part = number;
    record.last_part = last;
    audit.add(record, {.partition = 0, .offset = offset_++});
    return *this;
  }

  SourceAudit audit;

 private:
  int64_t offset_ = 0;
};

TEST(Audit, records_that_meet_are_clean_wherever_they_begin) {
  Feed feed;
  feed.range(700, 710).range(710, 730).range(730, 731);
  EXPECT_TRUE(feed.audit.counts().clean());
  EXPECT_EQ(feed.audit.counts().records, 3u);
  EXPECT_EQ(feed.audit.start().bytes, 700u);
  EXPECT_EQ(feed.audit.end().bytes, 731u);
}

TEST(Audit, a_hole_that_nothing_fills_is_a_gap) {
  Feed feed;
  feed.range(0, 10).range(15, 20);
  EXPECT_EQ(feed.audit.counts().gaps, 1u);
  EXPECT_EQ(feed.audit.counts().gap_bytes, 5u);
  ASSERT_EQ(feed.audit.findings().size(), 1u);
  EXPECT_EQ(feed.audit.findings()[0],
            "partition 0 offset 1: 5 bytes [10, 15) are skipped before it");
}

TEST(Audit, a_hole_that_is_filled_later_is_a_reordering_and_no_gap) {
  Feed feed;
  feed.range(0, 10).range(20, 30).range(10, 20).range(30, 40);
  const AuditCounts counts = feed.audit.counts();
  EXPECT_EQ(counts.gaps, 0u);
  EXPECT_EQ(counts.duplicates, 0u);
  EXPECT_EQ(counts.reordered, 1u);
}

TEST(Audit, what_was_covered_before_is_a_duplicate_also_in_part) {
  Feed feed;
  feed.range(0, 10).range(10, 20).range(0, 10).range(15, 25).range(25, 30);
  const AuditCounts counts = feed.audit.counts();
  EXPECT_EQ(counts.duplicates, 2u);
  EXPECT_EQ(counts.duplicate_bytes, 15u);
  EXPECT_EQ(counts.reordered, 0u);
  EXPECT_EQ(counts.gaps, 0u);
}

TEST(Audit, a_record_before_the_first_is_reordered_and_leaves_its_hole) {
  Feed feed;
  feed.range(100, 110).range(50, 60);
  const AuditCounts counts = feed.audit.counts();
  EXPECT_EQ(counts.reordered, 1u);
  EXPECT_EQ(counts.gap_bytes, 40u);
  EXPECT_EQ(feed.audit.start().bytes, 50u);
}

TEST(Audit, an_announced_gap_is_told_apart) {
  Feed feed;
  feed.range(0, 10).range(10, 20, shipper::kFlagGapBefore).range(30, 40, shipper::kFlagGapBefore);
  EXPECT_EQ(feed.audit.counts().announced_gaps, 2u);
  EXPECT_EQ(feed.audit.counts().gaps, 0u);
  EXPECT_FALSE(feed.audit.counts().clean());
}

TEST(Audit, parts_of_a_line_follow_one_another) {
  Feed whole;
  whole.range(0, 5).part(5, 10, 0, false).part(10, 15, 1, true).range(15, 20);
  EXPECT_TRUE(whole.audit.counts().clean());

  Feed unfinished;
  unfinished.part(0, 5, 0, false).range(5, 10);
  EXPECT_EQ(unfinished.audit.counts().broken_parts, 1u);

  Feed skipped;
  skipped.part(0, 5, 0, false).part(5, 10, 2, true);
  EXPECT_EQ(skipped.audit.counts().broken_parts, 1u);
}

TEST(Audit, endless_holes_stay_bounded_and_say_so) {
  Feed feed;
  const uint64_t holes = SourceAudit::kHolesMax + 100;
  for (uint64_t i = 0; i <= holes; ++i) feed.range(i * 10, i * 10 + 5);
  EXPECT_EQ(feed.audit.counts().gaps, holes);
  EXPECT_FALSE(feed.audit.exact());
  EXPECT_EQ(feed.audit.findings().size(), SourceAudit::kFindingsMax);
}

TEST(Audit, random_deliveries_count_as_a_model_of_single_bytes_does) {
  std::mt19937 random(20261121);
  int rounds = 0;
  for (; rounds < 2000; ++rounds) {
    Feed feed;
    std::vector<bool> covered(64, false);
    uint64_t high = 0, low = 64, duplicates = 0, duplicate_bytes = 0, reordered = 0;
    for (int i = 0; i < 12; ++i) {
      const uint64_t start = random() % 60, end = start + 1 + random() % 4;
      feed.range(start, end);
      uint64_t again = 0, late = 0;
      for (uint64_t byte = start; byte < end; ++byte) {
        if (covered[byte]) ++again;
        if (!covered[byte] && i > 0 && byte < high) ++late;
        covered[byte] = true;
      }
      duplicates += again > 0;
      duplicate_bytes += again;
      reordered += late > 0;
      high = std::max(high, end);
      low = std::min(low, start);
    }
    uint64_t gaps = 0, gap_bytes = 0;
    for (uint64_t byte = low; byte < high; ++byte) {
      gap_bytes += !covered[byte];
      gaps += !covered[byte] && covered[byte - 1];
    }
    const AuditCounts counts = feed.audit.counts();
    ASSERT_EQ(counts.duplicates, duplicates) << "round " << rounds;
    ASSERT_EQ(counts.duplicate_bytes, duplicate_bytes) << "round " << rounds;
    ASSERT_EQ(counts.reordered, reordered) << "round " << rounds;
    ASSERT_EQ(counts.gaps, gaps) << "round " << rounds;
    ASSERT_EQ(counts.gap_bytes, gap_bytes) << "round " << rounds;
  }
  EXPECT_EQ(rounds, 2000);
}

}  // namespace
}  // namespace longshore::audit
