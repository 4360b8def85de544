// Goal: no text that a container chose can control a terminal or forge a line.
// Method: the replacement of each kind of byte, and every single byte and code point that terminals
// obey.

#include "config/printable.h"

#include <gtest/gtest.h>

#include <cstdio>

namespace longshore {
namespace {

TEST(Printable, what_a_terminal_obeys_is_made_visible) {
  EXPECT_EQ(printable("a b\t\xc3\xa9"), "a b\t\xc3\xa9");
  EXPECT_EQ(printable("a\nb\r\x1b[2J\x7f"), "a\\nb\\r\\x1b[2J\\x7f");
  EXPECT_EQ(printable("\xff\xc3"), "\\xff\\xc3");
  EXPECT_EQ(printable("\xc2\x9b\xe2\x80\xae"), "\\u009b\\u202e");
  EXPECT_EQ(printable("a\x1b[2J\n\r\t\x7f \xc2\x9b"
                      "1m \xe2\x80\xae \xff \u00e4\U0001f6a2"),
            "a\\x1b[2J\\n\\r\t\\x7f \\u009b1m \\u202e \\xff \u00e4\U0001f6a2");
  EXPECT_EQ(printable("\xd8\x9c\xe2\x81\xa6\xe2\x81\xaf"), "\\u061c\\u2066\\u206f");
  // C1 control characters, as UTF-8 and as single bytes.
  for (int point = 0x80; point < 0xa0; ++point) {
    char escaped[8];
    std::snprintf(escaped, sizeof escaped, "\\u%04x", point);
    EXPECT_EQ(printable(std::string{'\xc2', static_cast<char>(point)}), escaped);
    std::snprintf(escaped, sizeof escaped, "\\x%02x", point);
    EXPECT_EQ(printable(std::string{'a', static_cast<char>(point), 'b'}),
              "a" + std::string(escaped) + "b");
  }
  for (int byte = 0; byte < 256; ++byte) {
    const std::string shown = printable(std::string(1, static_cast<char>(byte)));
    EXPECT_TRUE(is_printable(shown) || shown == "\t") << byte;
  }
}

TEST(Printable, lines_of_our_own_stay_lines) {
  EXPECT_EQ(printable_lines("a\x1b\n\nb\xc2\x9b\n"), "a\\x1b\n\nb\\u009b\n");
  EXPECT_EQ(printable_lines("a"), "a");
  EXPECT_EQ(printable_lines(""), "");
}

TEST(Printable, a_cut_is_marked_and_falls_between_characters) {
  EXPECT_EQ(printable("abc", 3), "abc");
  EXPECT_EQ(printable("abcd", 3), "abc...");
  EXPECT_EQ(printable("ab\xc3\xa9", 3), "ab...");
  EXPECT_EQ(printable("\n\n\n", 2), "\\n\\n...");
}

}  // namespace
}  // namespace longshore
