// Goal: a file's name tells which offsets it holds, and a folder's name which hours; both read back
// as they were written.
// Method: names and folders there and back, and names that longshore never writes.

#include "integrations/archive/archive_name.h"

#include <gtest/gtest.h>

#include "integrations/archive/archive_files.h"

namespace longshore::archive {
namespace {

constexpr int64_t kHourMs = 3'600'000;

Layout layout(const std::string& text) {
  Result<Layout> parsed = Layout::parse(text);
  EXPECT_TRUE(parsed) << text;
  return *parsed;
}

TEST(ArchiveName, there_and_back_it_is_the_same) {
  for (const Codec codec : {Codec::kNone, Codec::kGzip, Codec::kZstd}) {
    for (const int32_t generation : {1, 2, 17}) {
      for (const std::optional<int64_t> lines : {std::optional<int64_t>(), {0}, {10500}}) {
        const ArchiveName name{"web.logs-1", 3, generation, 10500, 20999, lines, codec};
        EXPECT_EQ(parse_archive_name(to_string(name)), name);
      }
    }
  }
  const ArchiveName old{.topic = "logs", .partition = 0, .first = 0, .last = 7};
  EXPECT_EQ(to_string(old), "logs+0+0+7.jsonl.zst");
  const ArchiveName name{
      .topic = "logs", .partition = 0, .generation = 2, .first = 0, .last = 7, .lines = 5};
  EXPECT_EQ(to_string(name), "logs+0.2+0+7+5.jsonl.zst");
}

TEST(ArchiveName, the_longest_one_fits_a_file_system_and_stays_its_own) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  ArchiveName name{.topic = std::string(249, 'x'),
                   .partition = std::numeric_limits<int32_t>::max(),
                   .generation = std::numeric_limits<int32_t>::max(),
                   .first = kMost - 2,
                   .last = kMost - 1,
                   .lines = 2};
  EXPECT_LE(to_string(name).size(), 255u);
  const std::string shown = shown_topic(name.topic);
  EXPECT_EQ(parse_archive_name(to_string(name))->topic, shown);
  EXPECT_EQ(shown_topic(shown), shown);
  EXPECT_NE(shown_topic(std::string(248, 'x') + "y"), shown);
  EXPECT_EQ(shown_topic(std::string(160, 'x')), std::string(160, 'x'));
}

TEST(ArchiveName, what_longshore_never_wrote_is_no_name) {
  for (const char* text :
       {"", "logs+0+0+7", "logs+0+0+7.jsonl.bz2", "logs+0+7.jsonl", "+0+0+7.jsonl",
        "logs+0+8+7.jsonl", "logs+00+0+7.jsonl", "logs+0+-1+7.jsonl", "logs+0+0+7+9.jsonl",
        "logs+0+0+7+8+1.jsonl", "logs+0.1+0+7.jsonl", "logs+0.+0+7.jsonl", "logs+0.02+0+7.jsonl",
        "logs+0+0+99999999999999999999.jsonl", "logs+0+7+9223372036854775807.jsonl",
        "logs+0+0+7.jsonl.zst.tmp", "logs+0+ 0+7.jsonl"}) {
    EXPECT_FALSE(parse_archive_name(text)) << text;
  }
}

TEST(ArchiveName, an_hour_is_that_of_utc_before_the_epoch_too) {
  EXPECT_EQ(hour_of_ms(0).number, 0);
  EXPECT_EQ(hour_of_ms(kHourMs - 1).number, 0);
  EXPECT_EQ(hour_of_ms(kHourMs).number, 1);
  EXPECT_EQ(hour_of_ms(-1).number, -1);
  EXPECT_EQ(hour_of_ms(-kHourMs).number, -1);
}

TEST(Layout, the_usual_one_is_hives) {
  const Layout usual = layout(Layout::kUsual);
  const Hour hour = hour_of_ms(1'795'269'600'000);  // 2026-11-21T14:00Z
  EXPECT_EQ(usual.folder("logs", hour), "topic=logs/date=2026-11-21/hour=14");
}

TEST(Layout, folders_say_which_hours_they_hold) {
  for (const char* text : {Layout::kUsual, "{yyyy}/{MM}/{dd}/{HH}/{topic}",
                           "{topic}/{yyyy-MM-dd-HH}", "x-{topic}-{yyyy}{MM}{dd}/{HH}"}) {
    const Layout layout_of = layout(text);
    const Hour hour = hour_of_ms(1'795'269'600'000);
    std::string path = layout_of.folder("a-b.c", hour) + "/";
    Layout::Known known;
    for (size_t depth = 0; depth < layout_of.depth(); ++depth) {
      const size_t slash = path.find('/');
      const auto more = layout_of.match(depth, path.substr(0, slash), known);
      ASSERT_TRUE(more) << text << " at " << path;
      EXPECT_LE(more->earliest(), hour);
      EXPECT_GE(more->latest(), hour);
      known = *more;
      path.erase(0, slash + 1);
    }
    EXPECT_EQ(known.topic, "a-b.c") << text;
    EXPECT_EQ(known.earliest(), hour) << text;
    EXPECT_EQ(known.latest(), hour) << text;
  }
}

TEST(Layout, a_folder_of_another_kind_is_none_of_it) {
  const Layout usual = layout(Layout::kUsual);
  EXPECT_FALSE(usual.match(0, "_longshore", {}));
  EXPECT_FALSE(usual.match(0, "topic=", {}));
  EXPECT_FALSE(usual.match(1, "date=2026-11-2x", {}));
  EXPECT_FALSE(usual.match(1, "date=2026-11-211", {}));
  EXPECT_FALSE(usual.match(2, "hour=7", {}));
  EXPECT_FALSE(usual.match(3, "more", {}));
}

TEST(Layout, a_wrong_one_is_refused) {
  for (const char* text :
       {"", "a//b", "/a", "_x", ".x", "{day}", "{yyyy", "yyyy}", "a:b", "{{HH}}"})
    EXPECT_FALSE(Layout::parse(text)) << text;
}

ArchivedFile file(int32_t partition, int64_t first, int64_t last, int64_t hour) {
  const ArchiveName name{.topic = "logs", .partition = partition, .first = first, .last = last};
  return {name, "", {hour}, 0};
}

ArchivedFile again(ArchivedFile of) {
  of.name.generation = 2;
  return of;
}

TEST(ArchiveFiles, each_generation_of_a_topic_is_a_chain_of_its_own) {
  std::vector<ArchivedFile> files = {again(file(0, 0, 3, 2)), file(0, 0, 9, 1),
                                     again(file(0, 4, 7, 1)), file(0, 10, 12, 2)};
  EXPECT_TRUE(find_tiling_faults(files).empty());
  sort_for_reading(files);
  std::vector<std::string> order;
  for (const ArchivedFile& sorted : files) order.push_back(to_string(sorted.name));
  EXPECT_EQ(order, (std::vector<std::string>{"logs+0+0+9.jsonl.zst", "logs+0+10+12.jsonl.zst",
                                             "logs+0.2+0+3.jsonl.zst", "logs+0.2+4+7.jsonl.zst"}));
  files.push_back(again(file(0, 9, 12, 2)));
  const auto hole = find_tiling_faults(files);
  ASSERT_EQ(hole.size(), 1u);
  EXPECT_NE(hole[0].find("logs[0.2]: no file of the archive holds offsets [8, 9)"),
            std::string::npos)
      << hole[0];
}

TEST(ArchiveFiles, holes_and_overlaps_are_found) {
  EXPECT_TRUE(find_tiling_faults({file(0, 0, 9, 1), file(1, 5, 6, 1), file(0, 10, 12, 2)}).empty());
  const auto hole = find_tiling_faults({file(0, 0, 9, 1), file(0, 11, 12, 2)});
  ASSERT_EQ(hole.size(), 1u);
  EXPECT_NE(hole[0].find("[10, 11)"), std::string::npos) << hole[0];
  EXPECT_EQ(find_tiling_faults({file(0, 0, 9, 1), file(0, 9, 12, 2)}).size(), 1u);
  EXPECT_EQ(find_tiling_faults({file(0, 0, 9, 1), file(0, 0, 12, 2)}).size(), 1u);
}

TEST(ArchiveFiles, a_partition_is_read_by_offset_though_its_hours_go_back) {
  std::vector<ArchivedFile> files = {file(1, 0, 4, 7), file(0, 10, 19, 6), file(0, 20, 29, 8),
                                     file(0, 0, 9, 7)};
  sort_for_reading(files);
  std::vector<std::pair<int32_t, int64_t>> order;
  for (const ArchivedFile& sorted : files)
    order.emplace_back(sorted.name.partition, sorted.name.first);
  const std::vector<std::pair<int32_t, int64_t>> expected = {{0, 0}, {0, 10}, {1, 0}, {0, 20}};
  EXPECT_EQ(order, expected);
}

}  // namespace
}  // namespace longshore::archive
