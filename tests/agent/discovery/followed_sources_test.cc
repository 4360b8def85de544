// Goal: a source goes on under the name of whoever still declares it, and a file that cannot be
// opened waits.
// Method: the real Discovery over real files; a lease of another descriptor forbids to open one.

#include "agent/discovery/followed_sources.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "tests/fakes/discovery_fixture.h"
#include "tests/fakes/logged_words.h"

namespace longshore::agent {
namespace {

TEST_F(DiscoveryTest, a_log_that_its_declarer_leaves_goes_on_as_that_of_another_one) {
  Declaration green = declaration("a.log", "green");
  green.topic = "green-logs";
  for (const bool stopped : {true, false}) {
    write("a.log");
    restart({});
    declare("a.log", "c1", "blue");
    declare(green, "c2");
    messages_.clear();
    if (stopped) discovery_->ended("c1", 0);
    if (!stopped) discovery_->gone("c1");
    ASSERT_EQ(messages_.size(), 1u);
    const auto* told = std::get_if<SourceOpened>(&messages_[0]);
    ASSERT_NE(told, nullptr);
    EXPECT_EQ(told->file, nullptr);
    EXPECT_EQ(told->spec->declaration->topic, "green-logs");
    EXPECT_EQ(told->spec->container_id, "c2");
    EXPECT_EQ(told->spec->container_name, "c2");
    messages_.clear();
    discovery_->revived("c1");
    discovery_->ended("c2", 0);
    const auto* back = std::get_if<SourceOpened>(&messages_.back());
    ASSERT_EQ(back != nullptr, stopped);
    if (back == nullptr) continue;
    EXPECT_EQ(back->spec->declaration->name, "blue");
  }
}

TEST_F(DiscoveryTest, a_file_that_cannot_be_opened_is_tried_again) {
  const Inodes expected{write("x.log")};
  const Fd writer(::open(path("x.log").c_str(), O_RDWR | O_CLOEXEC));
  struct sigaction ignore {
  }, before{};
  ignore.sa_handler = SIG_IGN;
  ASSERT_EQ(::sigaction(SIGIO, &ignore, &before), 0);
  ASSERT_EQ(::fcntl(writer.get(), F_SETLEASE, F_WRLCK), 0);

  FsSpec spec;
  spec.layers = {"/"};
  spec.layers_are_overlay = false;
  discovery_->declare({}, declaration("x.log"), spec);
  EXPECT_TRUE(opened().empty());
  // The directory is looked at once more because its watch is new.
  int64_t again_ns = discovery_->settle();
  for (int i = 0; i < 1000 && again_ns < clock_.monotonic_ns() + 100'000'000; ++i) {
    ::usleep(1'000);
    again_ns = discovery_->settle();
  }
  EXPECT_GT(again_ns, clock_.monotonic_ns() + limits::kOpenRetryNsMin / 4);
  clock_.ahead_ns += 2 * limits::kOpenRetryNsMin;
  EXPECT_GT(discovery_->settle(), clock_.monotonic_ns() + limits::kOpenRetryNsMin);
  // What runs `--once` does not wait for it, but tells.
  EXPECT_TRUE(discovery_->all_opened());
  ASSERT_EQ(discovery_->missed().size(), 1u);
  EXPECT_NE(discovery_->missed()[0].find("files that cannot be opened"), std::string::npos);
  ASSERT_EQ(::fcntl(writer.get(), F_SETLEASE, F_UNLCK), 0);
  clock_.ahead_ns += 4 * limits::kOpenRetryNsMin;
  EXPECT_EQ(discovery_->settle(), 0);
  EXPECT_EQ(opened(), expected);
  EXPECT_TRUE(discovery_->missed().empty());
  ASSERT_EQ(::sigaction(SIGIO, &before, nullptr), 0);
}

// While a container of `--rm` is removed its directories go before Docker tells.
TEST_F(DiscoveryTest, directories_that_are_missing_are_told_once_and_only_if_that_lasts) {
  const fakes::LoggedWords words;
  FsSpec spec;
  spec.container_id = "c1";
  spec.layers = {path("removed")};
  discovery_->declare({"c1", "c1", ""}, declaration("x.log"), spec);
  look();
  EXPECT_EQ(words.count("removed"), 0u);
  for (int sweep = 0; sweep < 3; ++sweep) {
    clock_.ahead_ns += limits::kMissingNs;
    discovery_->sweep();
    look();
  }
  EXPECT_EQ(words.count("removed"), 1u);
}

}  // namespace
}  // namespace longshore::agent
