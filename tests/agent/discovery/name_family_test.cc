// Goal: a third name belongs to two targets of a link if it differs from them where they differ.
// Method: examples of real programs' names, and names that must not be mixed.

#include "agent/discovery/name_family.h"

#include <gtest/gtest.h>

namespace longshore::agent {
namespace {

TEST(NameFamily, names_differ_in_the_numbers_in_which_the_two_do) {
  const NameFamily dates("app-2026-11-28.log", "app-2026-11-30.log");
  EXPECT_TRUE(dates.contains("app-2026-11-29.log"));
  EXPECT_FALSE(dates.contains("app-2025-11-29.log"));
  EXPECT_FALSE(dates.contains("app-error-2026-11-29.log"));
  EXPECT_FALSE(dates.contains("web-2026-11-29.log"));
  EXPECT_FALSE(dates.contains("app-2026-11-29.log.1"));
  EXPECT_FALSE(dates.contains("app-2026-11-29"));
}

TEST(NameFamily, one_instance_is_not_another) {
  const NameFamily of_one("app1-20261128.log", "app1-20261130.log");
  EXPECT_TRUE(of_one.contains("app1-20261129.log"));
  EXPECT_FALSE(of_one.contains("app2-20261129.log"));
}

TEST(NameFamily, the_numbers_of_a_links_name_stay) {
  const NameFamily family = NameFamily::of_link("app1-20261128.log", "app1.log");
  EXPECT_TRUE(family.contains("app1-20261129.log"));
  EXPECT_FALSE(family.contains("app2-20261128.log"));
  EXPECT_FALSE(family.contains("app1.log"));
  EXPECT_TRUE(NameFamily::of_link("h2.log.INFO.2", "h2.log").contains("h2.log.INFO.1"));
}

TEST(NameFamily, hexadecimal_ids_are_numbers) {
  const NameFamily ids("3f2a9c1d", "aa01bb9");
  EXPECT_TRUE(ids.contains("0123456789abcdef"));
  EXPECT_FALSE(ids.contains("current"));
}

TEST(NameFamily, two_words_have_no_third) {
  EXPECT_TRUE(NameFamily("blue", "green").is_empty());
  EXPECT_FALSE(NameFamily("blue", "green").contains("red"));
  EXPECT_TRUE(NameFamily("v1", "v1.2").is_empty());
  EXPECT_TRUE(NameFamily("", "").is_empty());
}

}  // namespace
}  // namespace longshore::agent
