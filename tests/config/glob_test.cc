// Goal: a glob means the same as a shell's within one path component, and matching a pattern that a
// container wrote never costs more than its length times the name's.
// Method: a table of meanings, random patterns compared with fnmatch(3), and patterns that take
// backtracking matchers practically forever.

#include "config/glob.h"

#include <fnmatch.h>
#include <gtest/gtest.h>

#include <chrono>
#include <random>
#include <string>
#include <vector>

#include "tests/fakes/seed.h"

namespace longshore {
namespace {

struct Case {
  std::string pattern, text;
  bool matches;
};

TEST(Glob, means_what_a_shell_means) {
  const std::vector<Case> cases = {
      {"access.log", "access.log", true},
      {"access.log", "access.log.1", false},
      {"access.log", "xaccess.log", false},
      {"access*.log", "access.log", true},
      {"access*.log", "access-2024.log", true},
      {"access*.log", "access.log.gz", false},
      {"*", "", true},
      {"*", "x", true},
      {"", "", true},
      {"", "x", false},
      {"?", "", false},
      {"?", "x", true},
      {"?", "xy", false},
      {"a**b", "ab", true},
      {"a**b", "axxb", true},
      {"*a*b", "xaxbab", true},
      {"*ab", "aab", true},
      {"*aab", "aaab", true},
      {"log.[0-9]", "log.7", true},
      {"log.[0-9]", "log.x", false},
      {"log.[!0-9]", "log.x", true},
      {"log.[!0-9]", "log.7", false},
      {"log.[^0-9]", "log.x", true},
      {"[]]", "]", true},
      {"[!]]", "]", false},
      {"[!]]", "a", true},
      {"[]a]x", "ax", true},
      {"[a-]", "-", true},
      {"[-a]", "-", true},
      {"[a-c-]", "-", true},
      {"[z-a]", "m", false},
      {"[a-a]", "a", true},
      {"\\*", "*", true},
      {"\\*", "x", false},
      {"\\?x", "?x", true},
      {"\\[a]", "[a]", true},
      {"[\\]]", "]", true},
      {"a\\b", "ab", true},
  };
  for (const Case& each : cases) {
    EXPECT_EQ(glob_match(each.pattern, each.text), each.matches)
        << each.pattern << " on " << each.text;
  }
}

TEST(Glob, a_hidden_file_is_matched_by_its_own_dot_only) {
  EXPECT_FALSE(glob_match("*", ".app.log.swp"));
  EXPECT_FALSE(glob_match("?app", ".app"));
  EXPECT_FALSE(glob_match("[.]app", ".app"));
  EXPECT_FALSE(glob_match("[!a]app", ".app"));
  EXPECT_TRUE(glob_match(".*", ".app"));
  EXPECT_TRUE(glob_match("\\.app", ".app"));
  EXPECT_TRUE(glob_match("a*", "a.b"));
  EXPECT_TRUE(glob_match("a?b", "a.b"));
}

TEST(Glob, a_bracket_that_is_never_closed_is_a_bracket) {
  EXPECT_TRUE(glob_match("[", "["));
  EXPECT_TRUE(glob_match("a[", "a["));
  EXPECT_TRUE(glob_match("[abc", "[abc"));
  EXPECT_FALSE(glob_match("[abc", "a"));
  EXPECT_FALSE(glob_match("[", "x"));
  EXPECT_TRUE(glob_match("*[", "aa["));
}

TEST(Glob, every_byte_can_stand_in_a_name) {
  EXPECT_TRUE(glob_match("*", "\xff\x80 \n"));
  EXPECT_TRUE(glob_match("\xc3\xa9*", "\xc3\xa9t\xc3\xa9"));
  EXPECT_TRUE(glob_match("[\x80-\xff]x", "\xc3x"));
  EXPECT_TRUE(glob_match("a*b", std::string("a\0b", 3)));
  EXPECT_FALSE(glob_match("a", std::string("a\0", 2)));
}

TEST(Glob, agrees_with_fnmatch_on_random_patterns) {
  const std::vector<std::string> pieces = {"a",     "b",    "*",    "?",   "[ab]", "[!a]",
                                           "[a-c]", "\\*",  ".",    "-",   "**",   "[!b-c]",
                                           "[*]",   "[?a]", "[.b]", "ab*", "*.b"};
  const std::string letters = "aabbc*.-?";
  const unsigned seed = fakes::seed();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  size_t matched = 0, refused = 0;
  for (int round = 0; round < 200'000; ++round) {
    std::string pattern, text;
    for (size_t n = random() % 7; n > 0; --n) pattern += pieces[random() % pieces.size()];
    for (size_t n = random() % 8; n > 0; --n) text += letters[random() % letters.size()];
    const bool hidden = text.starts_with('.');
    if (hidden && !pattern.starts_with('.'))
      continue;  // fnmatch(3) errs there: see the test above.
    const bool expected = ::fnmatch(pattern.c_str(), text.c_str(), 0) == 0;
    ASSERT_EQ(glob_match(pattern, text), expected) << pattern << " on " << text;
    ++(expected ? matched : refused);
  }
  EXPECT_GT(matched, 1000u);
  EXPECT_GT(refused, 1000u);
}

TEST(Glob, a_path_is_matched_component_by_component) {
  const std::vector<Case> cases = {
      {"/app/*.log", "/app/x.log", true},
      {"/app/*.log", "/app/sub/x.log", false},
      {"/app/*/x.log", "/app/sub/x.log", true},
      {"/app/*/x.log", "/app/x.log", false},
      {"/app/**/x.log", "/app/x.log", true},
      {"/app/**/x.log", "/app/a/b/x.log", true},
      {"/app/**/x.log", "/app/a/b/y.log", false},
      {"/app/**", "/app/a/b", true},
      {"/**/old/*", "/app/old/x", true},
      {"/**/old/*", "/app/old/new/x", false},
      {"/app/a**", "/app/ab/c", false},
      {"*.gz", "/app/x.gz", true},
      {"*.gz", "/app.gz/x", false},
      {"x", "x", true},
      {"/app//x", "/app/x", true},
      {"/*", "/.x", false},
      {"/**/x", "/.git/x", true},
  };
  for (const Case& each : cases) {
    EXPECT_EQ(path_matches(each.pattern, each.text), each.matches)
        << each.pattern << " on " << each.text;
  }
}

TEST(Glob, wildcards_are_known_from_plain_names) {
  for (const std::string pattern : {"*", "a?", "[a]", "a\\*"}) EXPECT_TRUE(has_wildcards(pattern));
  for (const std::string plain : {"", "/app/access.log", "a]b", "a{b,c}"}) {
    EXPECT_FALSE(has_wildcards(plain)) << plain;
  }
}

TEST(Glob, no_pattern_is_expensive) {
  std::string stars, brackets;
  for (int i = 0; i < 1000; ++i) stars += "a*";
  for (int i = 0; i < 500; ++i) brackets += "*[a-z]";
  const std::string name(4000, 'a');
  std::string deep, long_path;
  for (int i = 0; i < 300; ++i) deep += "/**/a*";
  for (int i = 0; i < 2000; ++i) long_path += "/a";
  const auto start = std::chrono::steady_clock::now();
  EXPECT_FALSE(glob_match(stars + "b", name));
  EXPECT_FALSE(glob_match(brackets + "0", name));
  EXPECT_FALSE(glob_match(std::string(4000, '['), name));
  EXPECT_FALSE(glob_match("*" + std::string(4000, '['), name));
  EXPECT_FALSE(glob_match("*[" + std::string(4000, 'a'), name));
  EXPECT_FALSE(glob_match("*" + std::string(2000, '[') + "x", std::string(4000, '[')));
  EXPECT_FALSE(path_matches(deep + "/b", long_path));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
}

}  // namespace
}  // namespace longshore
