// Goal: each truncation is named, and a log that is truncated over and over makes neither the
// ledger nor the watch loop work for each.
// Method: real files truncated in bursts, in virtual time, through restarts and rewinds.

#include "agent/tail/truncations.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "tests/fakes/tail_reader.h"

namespace longshore::agent {
namespace {

namespace fs = std::filesystem;
using fakes::kWaitNs;
using fakes::Lines;

constexpr int64_t kSecond = 1'000'000'000;

class TruncationsTest : public testing::Test, protected fakes::TailReader {
 protected:
  void truncate_and_write(int number) {
    fs::resize_file(path("x"), 0);
    append("x", "line " + std::to_string(number) + "\n");
  }
};

TEST_F(TruncationsTest, emptying_a_log_that_was_read_to_its_end_is_a_doubt) {
  append("x", "first\n");
  Tail tail(Stream::kFile, {}, kWaitNs);
  tail.add(open("x"), 0);
  EXPECT_EQ(drain(tail), Lines{"first"});
  fs::resize_file(path("x"), 0);
  EXPECT_EQ(drain(tail), Lines{});
  EXPECT_TRUE(events(LedgerEvent::kLost).empty());
  const auto doubts = events(LedgerEvent::kDoubt);
  ASSERT_EQ(doubts.size(), 1u);
  EXPECT_EQ(doubts[0].reason, "truncated?");
  EXPECT_EQ(doubts[0].start.bytes, 6u);
  EXPECT_EQ(doubts[0].end.bytes, 6u);
  append("x", "second\n");
  EXPECT_EQ(drain(tail), Lines{"second"});
  EXPECT_EQ(flags_, "[\"gap_before\"]");
}

TEST_F(TruncationsTest, a_log_truncated_each_second_for_an_hour_makes_a_few_entries) {
  append("x", "line\n");
  Tail tail(Stream::kFile, {}, kWaitNs);
  tail.add(open("x"), 0);
  EXPECT_EQ(drain(tail).size(), 1u);
  no_copies_ = false;
  size_t wishes = 0, lines = 0;
  for (int i = 0; i < 3600; ++i) {
    now_ns_ += kSecond;
    truncate_and_write(10'000 + i % 7 * 111 + i);
    lines += drain(tail).size();
    if (!tail.take_copy_wish()) continue;
    ++wishes;
    tail.add_copies({});
    lines += drain(tail).size();
  }
  EXPECT_EQ(lines, 3600u);
  EXPECT_LE(wishes, 611u);
  const auto doubts = events(LedgerEvent::kDoubt);
  EXPECT_LE(doubts.size(), 9u);
  EXPECT_GE(doubts.size(), 2u);
  // What is not named yet is named when it is time.
  EXPECT_GT(tail.recheck_at_ns(), now_ns_);
  now_ns_ = tail.recheck_at_ns();
  EXPECT_EQ(drain(tail), Lines{});
  const auto last = events(LedgerEvent::kDoubt).back();
  EXPECT_EQ(last.end.bytes, at_ - 11);
  EXPECT_LT(last.start, last.end);
  EXPECT_EQ(tail.state().truncations, checkpoint::Truncations{});
  EXPECT_TRUE(events(LedgerEvent::kLost).empty());
}

TEST_F(TruncationsTest, what_waits_to_be_named_outlives_a_crash) {
  append("x", "line\n");
  Tail tail(Stream::kFile, {}, kWaitNs);
  tail.add(open("x"), 0);
  EXPECT_EQ(drain(tail).size(), 1u);
  for (int i = 0; i < 3; ++i) {
    truncate_and_write(10 + i);
    EXPECT_EQ(drain(tail).size(), 1u);
  }
  EXPECT_EQ(events(LedgerEvent::kDoubt).size(), 1u);
  const auto state = tail.state();
  EXPECT_EQ(state.truncations.count, 2u);
  Tail restarted(Stream::kFile, state, kWaitNs, {1, 0});
  restarted.add(open("x"), 0);
  EXPECT_EQ(drain(restarted), Lines{});
  const auto doubts = events(LedgerEvent::kDoubt);
  ASSERT_EQ(doubts.size(), 2u);
  EXPECT_EQ(doubts[1].start, state.truncations.first);
  EXPECT_NE(doubts[1].detail.find(" 2 times"), std::string::npos) << doubts[1].detail;
}

TEST_F(TruncationsTest, a_log_that_ends_names_at_once_what_waits) {
  append("x", "line\n");
  Tail tail(Stream::kFile, {}, kWaitNs);
  tail.add(open("x"), 0);
  EXPECT_EQ(drain(tail).size(), 1u);
  for (int i = 0; i < 2; ++i) {
    truncate_and_write(10 + i);
    EXPECT_EQ(drain(tail).size(), 1u);
  }
  tail.ended(fs::file_size(path("x")));
  EXPECT_EQ(drain(tail), Lines{});
  EXPECT_EQ(events(LedgerEvent::kDoubt).size(), 2u);
  EXPECT_EQ(tail.recheck_at_ns(), 0);
}

TEST_F(TruncationsTest, ranges_that_were_seen_are_exact_until_there_are_too_many) {
  append("x", "line\n");
  Tail tail(Stream::kFile, {}, kWaitNs);
  tail.add(open("x"), 0);
  EXPECT_EQ(drain(tail).size(), 1u);
  uint64_t lost = 0;
  for (int i = 0; i < 100; ++i) {
    now_ns_ += 1'000'000;
    append("x", "unread\n");
    auto state = tail.state();
    state.seen_bytes = fs::file_size(path("x"));
    tail.confirmed(state);
    lost += 7;
    truncate_and_write(100 + i);
    EXPECT_EQ(drain(tail).size(), 1u);
  }
  const auto ranges = events(LedgerEvent::kLost);
  EXPECT_GE(ranges.size(), 30u);
  EXPECT_LE(ranges.size(), 33u);
  now_ns_ += 3600 * kSecond;
  EXPECT_EQ(drain(tail), Lines{});
  uint64_t named = 0;
  for (const auto& entry : events(LedgerEvent::kLost)) {
    named += entry.end.bytes - entry.start.bytes;
    if (entry.start != entry.end) continue;
    const size_t at = entry.detail.find("; ");
    named += std::stoull(entry.detail.substr(at + 2));
  }
  EXPECT_EQ(named, lost);
}

}  // namespace
}  // namespace longshore::agent
