// Goal: --keep deletes what is older, and nothing else.
// Method: names that render() makes, and names that come close, compared by their days; random ones
// against the order of their letters.

#include "integrations/search/old_indices.h"

#include <gtest/gtest.h>

#include <chrono>
#include <random>
#include <string>
#include <vector>

#include "integrations/search/index_name.h"

namespace longshore::search {
namespace {

constexpr int64_t kNoon = 1'795'262'400'000;  // 2026-11-21T12:00:00Z

TEST(IndexName, the_last_day_of_an_index_is_what_makes_its_name_and_nothing_else) {
  const auto last = [](std::string_view pattern, std::string_view topic, std::string_view name) {
    return IndexName::parse(pattern).value().last_day(topic, name);
  };
  using namespace std::chrono_literals;
  constexpr std::string_view kPattern = "longshore-{topic}-{yyyy.MM.dd}";
  EXPECT_EQ(last(kPattern, "App", "longshore-app-2026.02.28"), Day(2026y / 2 / 28));
  EXPECT_EQ(last("x-{yyyy-MM}", "app", "x-2024-02"), Day(2024y / 2 / 29));
  EXPECT_EQ(last("x-{yyyy}", "app", "x-2024"), Day(2024y / 12 / 31));
  EXPECT_EQ(last("{dd}{yyyy}-{MM}-{topic}", "a", "032024-02-a"), Day(2024y / 2 / 3));
  for (const std::string_view other :
       {"longshore-app-2026.02.29", "longshore-app-2026.13.01", "longshore-app-2026.00.01",
        "longshore-app-2026.2.28", "longshore-app-2026.02.28-1", "longshore-app-2026-02-28",
        "longshore-App-2026.02.28", "longshore-app-web-2026.02.28", "longshore-2026.02.28",
        "longshore-app-+026.02.28", "longshore-app-2026.02.2x", "xlongshore-app-2026.02.28", "",
        ".ds-longshore-app-2026.02.28-000001", "longshore-app-", "logs-app-2026.02.28"})
    EXPECT_EQ(last(kPattern, "App", other), std::nullopt) << other;
  // What stands twice must be the same twice.
  EXPECT_EQ(last("{yyyy}-{yyyy.MM}", "a", "2025-2026.01"), std::nullopt);
  EXPECT_TRUE(IndexName::parse("x{yyyy}").value().is_dated());
  for (const std::string undated : {"x", "{topic}", "{MM.dd}", "{yyyy.dd}"})
    EXPECT_FALSE(IndexName::parse(undated).value().is_dated()) << undated;
}

// Random names, mutated: names of one pattern differ in digits only, and sort by their days.
TEST(OldIndices, only_names_of_old_days_are_old) {
  std::mt19937 random(11);
  const std::vector<std::string> patterns = {"longshore-{topic}-{yyyy.MM.dd}", "{topic}{yyyyMMdd}",
                                             "l-{yyyy-MM}", "l{yyyy}{topic}"};
  const auto skeleton = [](std::string name) {
    for (char& c : name) c = c >= '0' && c <= '9' ? '#' : c;
    return name;
  };
  size_t found = 0, missed = 0;
  for (int round = 0; round < 20'000; ++round) {
    const KeepOptions keep{IndexName::parse(patterns[random() % patterns.size()]).value(), {}, 30};
    const Day first = day_of_ms(kNoon) - std::chrono::days(30);
    const std::string limit = keep.index.render("t", first);
    const std::string made =
        keep.index.render("t", first + std::chrono::days(int(random() % 800) - 600));
    std::string name = made;
    if (random() % 2 == 0) name[random() % name.size()] = "0129.-tx*"[random() % 9];
    const bool is_old = !old_among({name}, keep, "t", first).empty();
    EXPECT_TRUE(!is_old || (skeleton(name) == skeleton(limit) && name < limit)) << name;
    found += is_old ? 1 : 0;
    if (name == made && name < limit && !is_old) missed += 1;
  }
  EXPECT_GT(found, 5'000u);
  EXPECT_EQ(missed, 0u);
  const KeepOptions keep{IndexName::parse(patterns[0]).value(), {}, 1};
  EXPECT_TRUE(old_among({"longshore-t-1970.01.01"}, keep, "t", day_of_ms(kNoon)).empty());
  EXPECT_EQ(old_among({"longshore-t-1970.01.02"}, keep, "t", day_of_ms(kNoon)).size(), 1u);
}

}  // namespace
}  // namespace longshore::search
