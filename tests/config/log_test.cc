// Goal: no text that a container chose can forge a line of the program's own log, and nobody who
// fails to read it can stall the program.
// Method: messages with control characters, formatted as they are printed; a pipe that is full.

#include "config/log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spdlog/details/log_msg.h>
#include <spdlog/logger.h>
#include <stdlib.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include "config/fd.h"
#include "config/limits.h"
#include "config/stderr_sink.h"

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

// A log into a pipe that nobody reads until read_all() is called.
struct UnreadLog {
  UnreadLog() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe(ends.data()), 0);
    reader.reset(ends[0]);
    writer.reset(ends[1]);
    log = std::make_unique<spdlog::logger>("test", std::make_shared<StderrSink>(writer.get()));
    log->set_formatter(log_formatter());
  }
  // Everything that was logged, to the end of the log.
  std::string read_all() {
    std::string text;
    std::thread reading([&] {
      std::array<char, 4096> part{};
      for (ssize_t got = 1; got > 0;) {
        got = ::read(reader.get(), part.data(), part.size());
        if (got > 0) text.append(part.data(), static_cast<size_t>(got));
      }
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    log.reset();
    writer.reset();
    reading.join();
    return text;
  }

  Fd reader, writer;
  std::unique_ptr<spdlog::logger> log;
};

TEST(Log, a_reader_that_is_late_gets_every_line_in_order) {
  UnreadLog unread;
  for (int i = 0; i < 3000; ++i) unread.log->info("line {} {}", i, std::string(100, 'x'));
  const std::string text = unread.read_all();
  size_t at = 0;
  for (int i = 0; i < 3000 && at != std::string::npos; ++i) {
    at = text.find("line " + std::to_string(i) + " ", at);
  }
  EXPECT_NE(at, std::string::npos);
}

TEST(Log, a_reader_that_never_reads_stalls_nobody_and_costs_messages_that_are_counted) {
  UnreadLog unread;
  const auto began = std::chrono::steady_clock::now();
  for (int i = 0; i < 20'000; ++i) unread.log->info("{} {}", i, std::string(200, 'x'));
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(60));
  const std::string text = unread.read_all();
  EXPECT_GT(text.size(), limits::kLogWaitingBytesMax);
  EXPECT_LT(text.size(), 2 * limits::kLogWaitingBytesMax);
  EXPECT_NE(text.find(" messages were dropped here: nobody read standard error."),
            std::string::npos);
}

TEST(Log, a_terminal_that_shows_nothing_stalls_nobody) {
  const Fd master(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  ASSERT_EQ(::grantpt(master.get()) + ::unlockpt(master.get()), 0);
  const Fd terminal(::open(::ptsname(master.get()), O_RDWR | O_NOCTTY | O_CLOEXEC));
  ASSERT_TRUE(terminal);
  spdlog::logger log("test", std::make_shared<StderrSink>(terminal.get()));
  const auto began = std::chrono::steady_clock::now();
  for (int i = 0; i < 5000; ++i) log.info("{} {}", i, std::string(200, 'x'));
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(60));
}

TEST(Log, its_end_does_not_wait_for_a_reader_that_never_reads) {
  UnreadLog unread;
  for (int i = 0; i < 5000; ++i) unread.log->info("{} {}", i, std::string(200, 'x'));
  const auto began = std::chrono::steady_clock::now();
  unread.log.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(3));
}

}  // namespace
}  // namespace longshore
