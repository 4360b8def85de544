// Goal: no text that a container chose can forge a line of the program's own log.
// Method: messages with control characters, formatted as they are printed.

#include "config/log.h"

#include <gtest/gtest.h>
#include <spdlog/details/log_msg.h>

namespace longshore {
namespace {

std::string printed(const std::string& text) {
  spdlog::memory_buf_t line;
  log_formatter()->format({"longshore", spdlog::level::warn, text}, line);
  return {line.data(), line.size()};
}

TEST(Log, an_event_is_one_line_whatever_its_message_holds) {
  const std::string line = printed("collecting /a\n2026-11-21 error forged\r\x1b[2J\t\x7f");
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  EXPECT_TRUE(
      line.ends_with(" warning collecting /a\\n2026-11-21 error forged\\r\\x1b[2J\t\\x7f\n"))
      << line;
}

TEST(Log, other_text_is_printed_as_it_is) {
  EXPECT_TRUE(printed("/a b/ä.log: 100%").ends_with(" warning /a b/ä.log: 100%\n"));
}

}  // namespace
}  // namespace longshore
