// Goal: no text that a container chose can control a terminal or forge a line.
// Method: the replacement of each kind of byte, and every single byte and code point that terminals
// obey.

#include "config/printable.h"

#include <gtest/gtest.h>

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
  for (int byte = 0; byte < 256; ++byte) {
    const std::string shown = printable(std::string(1, static_cast<char>(byte)));
    EXPECT_TRUE(is_printable(shown) || shown == "\t") << byte;
  }
}

TEST(Printable, a_cut_is_marked_and_falls_between_characters) {
  EXPECT_EQ(printable("abc", 3), "abc");
  EXPECT_EQ(printable("abcd", 3), "abc...");
  EXPECT_EQ(printable("ab\xc3\xa9", 3), "ab...");
  EXPECT_EQ(printable("\n\n\n", 2), "\\n\\n...");
}

}  // namespace
}  // namespace longshore
