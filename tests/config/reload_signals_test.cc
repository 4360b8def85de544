// Goal: an operator's SIGHUP never ends the process without a word.
// Method: the test sends itself each signal, and reads what is logged.

#include "config/reload_signals.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <sstream>

namespace longshore {
namespace {

class ReloadSignalsTest : public testing::Test {
 protected:
  ReloadSignalsTest() {
    before_ = spdlog::default_logger();
    spdlog::set_default_logger(std::make_shared<spdlog::logger>(
        "signals", std::make_shared<spdlog::sinks::ostream_sink_mt>(words_)));
  }
  ~ReloadSignalsTest() override { spdlog::set_default_logger(before_); }

  std::ostringstream words_;
  std::shared_ptr<spdlog::logger> before_;
};

TEST_F(ReloadSignalsTest, each_is_logged_and_ignored) {
  {
    const ReloadSignals signals(false);
    // One that is pending when it ends is taken too.
    for (const int each : {SIGHUP, SIGUSR1, SIGUSR2}) ::kill(::getpid(), each);
  }
  for (const char* name : {"SIGHUP", "SIGUSR1", "SIGUSR2"})
    EXPECT_NE(words_.str().find(std::string(name) + " is ignored"), std::string::npos)
        << words_.str();
}

TEST_F(ReloadSignalsTest, a_closed_terminal_stops_the_process) {
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &stop, nullptr);
  {
    const ReloadSignals signals(true);
    ::kill(::getpid(), SIGHUP);
    const timespec patience{.tv_sec = 10, .tv_nsec = 0};
    EXPECT_EQ(::sigtimedwait(&stop, nullptr, &patience), SIGTERM);
    ::kill(::getpid(), SIGUSR1);
  }
  EXPECT_NE(words_.str().find("The terminal was closed (SIGHUP): stopping."), std::string::npos);
  EXPECT_NE(words_.str().find("SIGUSR1 is ignored"), std::string::npos);
}

}  // namespace
}  // namespace longshore
