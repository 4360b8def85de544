// Goal: after a power loss, lost bytes are reported, to the exact byte where that can be known, and
// every possible duplicate is in the ledger.
// Method: real files that are truncated and zeroed between two runs with different boot ids; random
// power losses compared with the lines that were written.

#include "agent/tail/power_loss.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <random>

#include "tests/fakes/tail_reader.h"

namespace longshore::agent {
namespace {

namespace fs = std::filesystem;
using fakes::kWaitNs;
using fakes::Lines;

class PowerLossTest : public testing::Test, protected fakes::TailReader {
 protected:
  void zero_from(const std::string& name, uint64_t offset) {
    const uint64_t size = fs::file_size(path(name));
    fs::resize_file(path(name), offset);
    fs::resize_file(path(name), size);
  }
};

TEST_F(PowerLossTest, after_a_power_loss_zeros_are_passed_over_and_nothing_comes_twice) {
  for (int i = 0; i < 5000; ++i) append("x", "before " + std::to_string(i) + "\n");
  const auto state = read_all("x");
  ASSERT_EQ(read_.size(), 5000u);
  zero_from("x", 40'000);
  append("x", "after 1\nafter 2\n");
  EXPECT_EQ(resume(state, "x", 2), (Lines{"after 1", "after 2"}));
  EXPECT_TRUE(events(LedgerEvent::kDoubt).empty());
  ASSERT_EQ(events(LedgerEvent::kLost).size(), 1u);
  EXPECT_EQ(events(LedgerEvent::kLost)[0].reason, "power loss");
}

TEST_F(PowerLossTest, the_zeros_of_an_earlier_power_loss_are_not_those_of_the_next) {
  for (const bool grown_over : {true, false}) {
    const std::string name = grown_over ? "over" : "before";
    at_ = 0;
    for (int i = 0; i < 100; ++i) append(name, "before " + std::to_string(i) + "\n");
    auto state = read_all(name);
    // Zeros from behind the position, then from before it to behind it.
    zero_from(name, 500);
    if (grown_over) fs::resize_file(path(name), 3'000);
    for (int i = 0; i < 50; ++i) append(name, "shipped\n");
    Tail tail(Stream::kFile, state, kWaitNs, {2, 1});
    tail.add(open(name), 0);
    EXPECT_EQ(drain(tail), Lines(50, "shipped"));
    state = tail.state();
    zero_from(name, fs::file_size(path(name)) - 100);
    append(name, "after\n");
    EXPECT_EQ(resume(state, name, 3), Lines{"after"});
  }
}

TEST_F(PowerLossTest, a_line_longer_than_a_window_is_read_after_a_reboot) {
  append("x", "shipped\n");
  const auto state = read_all("x");
  append("x", std::string(5 << 20, 'y') + "\nafter\n");
  const Lines lines = resume(state, "x", 2);
  size_t bytes = 0;
  for (const std::string& line : lines) bytes += line.size();
  EXPECT_EQ(bytes, (5u << 20) + 5);
  EXPECT_EQ(lines.back(), "after");
}

TEST_F(PowerLossTest, a_power_loss_is_one_again_when_what_followed_was_not_delivered) {
  append("x", "first\nsecond\n");
  const auto state = read_all("x");
  fs::resize_file(path("x"), 6);
  append("x", "after\n");
  Tail tail(Stream::kFile, state, kWaitNs, {2, 1});
  tail.add(open("x"), 0);
  for (int attempt = 0; attempt < 2; ++attempt) {
    events_.clear();
    at_ = state.covered.bytes;
    EXPECT_EQ(drain(tail), (Lines{"first", "after"}));
    EXPECT_EQ(events(LedgerEvent::kDoubt).size(), 1u);
    ASSERT_EQ(events(LedgerEvent::kLost).size(), 1u);
    EXPECT_EQ(events(LedgerEvent::kLost)[0].reason, "power loss");
    tail.rewind(state);
  }
}

TEST_F(PowerLossTest, what_comes_twice_behind_zeros_that_were_shipped_is_named) {
  append("x", "");
  fs::resize_file(path("x"), 100);
  append("x", "\nfirst\nsecond\nthird\n");
  const timespec long_ago[2] = {};
  ASSERT_EQ(::utimensat(AT_FDCWD, path("x").c_str(), long_ago, 0), 0);
  const auto state = read_all("x");
  ASSERT_EQ(read_.size(), 4u);
  fs::resize_file(path("x"), 114);
  append("x", "after\n");
  EXPECT_EQ(resume(state, "x", 2), (Lines{"", "first", "second", "after"}));
  const auto doubt = events(LedgerEvent::kDoubt);
  ASSERT_EQ(doubt.size(), 1u);
  EXPECT_EQ(doubt[0].start.bytes, 100u);
  EXPECT_EQ(doubt[0].end.bytes, 120u);
}

TEST_F(PowerLossTest, what_was_written_between_two_power_losses_is_read) {
  append("x", "first\nsecond\n" + std::string(200, 'x') + "\n");
  const auto state = read_all("x");
  fs::resize_file(path("x"), 0);
  append("x", "between\n");
  fs::resize_file(path("x"), 150);
  append("x", "after\n");
  EXPECT_EQ(resume(state, "x", 3), (Lines{"between", "after"}));
  EXPECT_EQ(events(LedgerEvent::kDoubt).size(), 1u);
}

TEST_F(PowerLossTest, zeros_behind_the_position_are_no_lines_after_a_power_loss) {
  append("x", "shipped\n");
  const auto state = read_all("x");
  append("x", "unread\nhalf a line");
  fs::resize_file(path("x"), 500);
  append("x", "after\n");
  fs::resize_file(path("x"), 700);
  EXPECT_EQ(resume(state, "x", 2), (Lines{"unread", "half a line", "after"}));
  const auto lost = events(LedgerEvent::kLost);
  ASSERT_EQ(lost.size(), 2u);
  EXPECT_EQ(lost[0].reason, "power loss");
  EXPECT_EQ(lost[0].start.bytes, 26u);
  EXPECT_EQ(lost[0].end.bytes, 500u);
  EXPECT_EQ(lost[1].end.bytes, 700u);
}

TEST_F(PowerLossTest, unread_bytes_that_a_power_loss_took_are_named) {
  append("x", "shipped\n");
  auto state = read_all("x");
  state.seen_bytes = 100;
  append("x", "after\n");
  EXPECT_EQ(resume(state, "x", 2), Lines{"after"});
  const auto lost = events(LedgerEvent::kLost);
  ASSERT_EQ(lost.size(), 1u);
  EXPECT_EQ(lost[0].start, lost[0].end);
  EXPECT_EQ(lost[0].reason, "power loss");
}

TEST_F(PowerLossTest, after_a_power_loss_what_comes_twice_is_named) {
  for (int i = 0; i < 20'000; ++i) append("x", "before " + std::to_string(i) + "\n");
  const auto state = read_all("x");
  const uint64_t total = at_;
  fs::resize_file(path("x"), 150'001);
  append("x", "torn\nafter\n");
  const Lines again = resume(state, "x", 2);
  ASSERT_GE(again.size(), 2u);
  EXPECT_EQ(again.back(), "after");
  const auto doubt = events(LedgerEvent::kDoubt);
  ASSERT_EQ(doubt.size(), 1u);
  EXPECT_EQ(doubt[0].reason, "possible duplicates");
  EXPECT_EQ(doubt[0].end.bytes, total);
  // Two whole spans are proven, so it goes on behind the last line in them.
  EXPECT_LE(doubt[0].start.bytes, 2u * 65'536);
  EXPECT_GT(doubt[0].start.bytes, 2u * 65'536 - 30);
  // The first line that comes again is the one that stood there.
  uint64_t stood = 0;
  size_t line = 0;
  while (stood < doubt[0].start.bytes) stood += read_[line++].size() + 1;
  EXPECT_EQ(stood, doubt[0].start.bytes);
  EXPECT_EQ(again[0], read_[line]);
}

TEST_F(PowerLossTest, within_one_boot_a_shorter_file_is_a_truncated_one) {
  append("x", "first\nsecond\n");
  const auto state = read_all("x");
  fs::resize_file(path("x"), 6);
  EXPECT_EQ(resume(state, "x", 1), Lines{"first"});
  EXPECT_TRUE(events(LedgerEvent::kLost).empty());
  EXPECT_EQ(events(LedgerEvent::kDoubt)[0].reason, "truncated?");
}

TEST_F(PowerLossTest, random_power_losses_double_nothing_that_is_not_named) {
  int zeroed = 0, doubled = 0;
  for (unsigned seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const std::string name = "p" + std::to_string(seed);
    at_ = 0;
    std::string text;
    const size_t lines = 50 + random() % 3000;
    for (size_t i = 0; i < lines; ++i) {
      text += "old " + std::to_string(i) + std::string(random() % 400, 'x') + "\n";
    }
    append(name, text);
    const auto state = read_all(name, 1);
    ASSERT_EQ(read_.size(), lines);
    const uint64_t kept = 1 + random() % (text.size() - 1);
    const bool zeros = random() % 2 == 0;
    if (zeros) zero_from(name, kept);
    if (!zeros) fs::resize_file(path(name), kept);
    Lines expected;
    std::string later;
    for (size_t i = random() % 500; i > 0; --i) {
      expected.push_back("new " + std::to_string(i) + std::string(random() % 400, 'y'));
      later += expected.back() + "\n";
    }
    append(name, "torn\n" + later);
    const Lines got = resume(state, name, 2);
    ASSERT_GE(got.size(), expected.size());
    const auto doubt = events(LedgerEvent::kDoubt);
    const auto lost = events(LedgerEvent::kLost);
    ASSERT_FALSE(lost.empty());
    EXPECT_EQ(lost.back().reason, "power loss");
    EXPECT_TRUE(std::equal(expected.rbegin(), expected.rend(), got.rbegin()));
    size_t twice = 0;
    for (const std::string& line : got) {
      if (line.starts_with("old ") && line.ends_with("x")) ++twice;
    }
    if (zeros) {
      ++zeroed;
      EXPECT_TRUE(doubt.empty());
      EXPECT_EQ(twice, 0u);
    } else {
      doubled += twice > 0 ? 1 : 0;
      ASSERT_EQ(doubt.size(), 1u);
      EXPECT_EQ(text.substr(doubt[0].start.bytes, got[0].size()), got[0]);
      EXPECT_LE(kept - doubt[0].start.bytes, 65'536u + 500);
    }
  }
  EXPECT_GT(zeroed, 5);
  EXPECT_GT(doubled, 5);
}

}  // namespace
}  // namespace longshore::agent
