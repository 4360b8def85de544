// Goal: a tail reports everything that it cannot deliver, to the exact byte where that can be
// known.
// Method: real files that are deleted, given up and made unreadable; positions of records and
// losses must meet.

#include "agent/tail/loss.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "tests/fakes/tail_reader.h"

namespace longshore::agent {
namespace {

namespace fs = std::filesystem;
using checkpoint::SourceEvent;
using fakes::kWaitNs;
using fakes::Lines;

class LossTest : public testing::Test, protected fakes::TailReader {};

TEST_F(LossTest, a_file_that_went_while_nobody_held_it_is_lost_as_far_as_it_was_seen) {
  append("x", "first\n");
  auto state = read_all("x");
  state.seen_bytes = 100;
  Tail tail(Stream::kFile, state, kWaitNs, {1, 0});
  tail.apply(SourceEvent::kVanished);
  EXPECT_EQ(drain(tail), Lines{});
  ASSERT_EQ(events_.size(), 3u);
  EXPECT_EQ(events_[0].reason, "deleted");
  EXPECT_EQ(events_[0].start.bytes, 6u);
  EXPECT_EQ(events_[0].end.bytes, 100u);
  EXPECT_EQ(events_[1].event, LedgerEvent::kDoubt) << "it may have grown since";
  EXPECT_EQ(events_[1].start.bytes, 100u);
  EXPECT_EQ(events_[1].end.bytes, 100u);
  EXPECT_EQ(events_[2].event, LedgerEvent::kEnded);
  EXPECT_EQ(events_[2].end.bytes, 100u);
  // Until that is confirmed it can be said again, and then no more.
  tail.rewind(state);
  at_ = 6;
  EXPECT_EQ(drain(tail), Lines{});
  EXPECT_EQ(events_.size(), 6u);
  Tail later(Stream::kFile, tail.state(), kWaitNs, {1, 0});
  later.apply(SourceEvent::kVanished);
  EXPECT_EQ(drain(later), Lines{});
  EXPECT_EQ(events_.size(), 6u);
  // Its file system was only not mounted: nothing of it is passed over.
  append("x", "second\n");
  EXPECT_EQ(resume(tail.state(), "x", 1), Lines{"second"});
  EXPECT_EQ(at_, 107u);
}

TEST_F(LossTest, a_file_made_anew_after_its_predecessor_vanished_is_read) {
  append("x", "first\n");
  auto state = read_all("x");
  state.seen_bytes = 100;
  append("y", "second\n");
  for (const bool said_before : {false, true}) {
    events_.clear();
    at_ = 6;
    Tail tail(Stream::kFile, state, kWaitNs, {1, 0});
    tail.apply(SourceEvent::kVanished);
    if (said_before) drain(tail);
    tail.add(open("y"), 0);
    EXPECT_EQ(drain(tail), Lines{"second"}) << said_before;
    EXPECT_EQ(events(LedgerEvent::kLost)[0].start.bytes, 6u);
  }
}

TEST_F(LossTest, a_deleted_file_that_is_given_up_is_lost_to_its_end_and_let_go) {
  append("x", "first\n");
  Tail tail(Stream::kFile, {}, kWaitNs);
  auto file = open("x");
  const std::weak_ptr<const OpenFile> held = file;
  const auto identity = file->identity;
  tail.add(std::move(file), 0);
  EXPECT_EQ(drain(tail), Lines{"first"});
  append("x", "second\n");
  fs::remove(path("x"));
  tail.give_up(identity);
  EXPECT_EQ(drain(tail), Lines{});
  const auto lost = events(LedgerEvent::kLost);
  ASSERT_EQ(lost.size(), 1u);
  EXPECT_EQ(lost[0].reason, "deleted beyond the budget");
  EXPECT_EQ(lost[0].start.bytes, 6u);
  EXPECT_EQ(lost[0].end.bytes, 13u);
  EXPECT_FALSE(held.expired());
  tail.confirmed(tail.state());
  EXPECT_TRUE(held.expired());
}

TEST_F(LossTest, behind_a_file_that_is_given_up_its_successor_is_read) {
  append("x", "first\n");
  Tail tail(Stream::kFile, {}, kWaitNs);
  const auto file = open("x");
  tail.add(file, 0);
  fs::remove(path("x"));
  append("x", "next\n");
  tail.add(open("x"), 0);
  tail.give_up(file->identity);
  EXPECT_EQ(drain(tail), Lines{"next"});
  EXPECT_EQ(flags_, "[\"gap_before\"]");
  EXPECT_EQ(at_, 11u);
}

// Whether an agent ran or not: what it tells is true in both cases.
TEST_F(LossTest, a_step_that_is_not_proven_is_a_doubt_and_one_over_others_a_loss) {
  append("x", "first\n");
  append("y", "second\n");
  for (const Step step : {Step::kAdjacent, Step::kUnproven, Step::kGap}) {
    events_.clear();
    at_ = 0;
    Tail tail(Stream::kFile, {}, kWaitNs);
    tail.add(open("x"), 0);
    tail.add(open("y"), 0, step);
    Lines lines = drain(tail);
    now_ns_ += kWaitNs;
    for (auto& line : drain(tail)) lines.push_back(line);
    EXPECT_EQ(lines, (Lines{"first", "second"}));
    const auto doubts = events(LedgerEvent::kDoubt), lost = events(LedgerEvent::kLost);
    ASSERT_EQ(doubts.size(), step == Step::kUnproven ? 1u : 0u);
    ASSERT_EQ(lost.size(), step == Step::kGap ? 1u : 0u);
    if (step == Step::kAdjacent) continue;
    const LedgerEntry& entry = step == Step::kGap ? lost[0] : doubts[0];
    EXPECT_EQ(entry.reason, step == Step::kGap ? "generation unseen" : kUnseenDoubt);
    EXPECT_EQ(entry.start.bytes, 6u);
    EXPECT_EQ(entry.end.bytes, 6u);
    EXPECT_EQ(entry.detail.find("while no agent ran"), std::string::npos) << entry.detail;
  }
}

TEST_F(LossTest, an_unreadable_block_is_passed_over_after_a_minute) {
  // Unmapped memory, seen through /proc/self/mem, is a file with an unreadable place in it.
  const size_t page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  char* const before = static_cast<char*>(
      ::mmap(nullptr, 5 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(before, MAP_FAILED);
  ASSERT_EQ(::munmap(before, page), 0);
  char* const memory = before + page;
  std::memset(memory, 'a', 3 * page);
  std::memcpy(memory + 64, "one\ntwo\n", 8);
  std::memcpy(memory + 2 * page, "n\nthree\n", 8);
  ASSERT_EQ(::munmap(memory + page, page), 0);
  ASSERT_EQ(::munmap(memory + 3 * page, page), 0);
  Fd fd(::open("/proc/self/mem", O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(fd);
  const auto identity = checkpoint::file_facts(fd.get()).value().identity;
  Tail tail(Stream::kFile, {}, kWaitNs);
  at_ = reinterpret_cast<uint64_t>(memory) + 64;
  tail.add(std::make_shared<OpenFile>(OpenFile{std::move(fd), identity}), at_);
  EXPECT_EQ(drain(tail), (Lines{"one", "two"}));
  EXPECT_TRUE(failed_);
  EXPECT_GT(tail.recheck_at_ns(), now_ns_);
  now_ns_ += 59'000'000'000;
  EXPECT_EQ(drain(tail), Lines{});
  EXPECT_TRUE(events(LedgerEvent::kLost).empty());
  now_ns_ += 2'000'000'000;
  EXPECT_EQ(drain(tail), (Lines{"n", "three"}));
  const auto lost = events(LedgerEvent::kLost);
  ASSERT_EQ(lost.size(), 1u);
  EXPECT_EQ(lost[0].reason, "unreadable");
  EXPECT_EQ(lost[0].start.bytes, reinterpret_cast<uint64_t>(memory) + 72);
  EXPECT_EQ(lost[0].end.bytes, reinterpret_cast<uint64_t>(memory) + 2 * page);
  ASSERT_EQ(::munmap(memory, page), 0);
  ASSERT_EQ(::munmap(memory + 2 * page, page), 0);
}

}  // namespace
}  // namespace longshore::agent
