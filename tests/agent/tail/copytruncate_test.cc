// Goal: a tail notices that a log was truncated or copied. It reads the unread rest from the copy
// if there is one; otherwise the ledger names the lost range.
// Method: real files that are copied, truncated and rewritten before, between and after the steps.

#include "agent/tail/copytruncate.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "tests/fakes/tail_reader.h"

namespace longshore::agent {
namespace {

namespace fs = std::filesystem;
using fakes::kWaitNs;
using fakes::Lines;

class CopytruncateTest : public testing::Test, protected fakes::TailReader {};

TEST_F(CopytruncateTest, truncation_is_noticed_flagged_and_read_from_its_beginning) {
  append("x", "first\nsecond\n");
  Tail tail(Stream::kFile, {}, kWaitNs);
  tail.add(open("x"), 0);
  EXPECT_EQ(drain(tail).size(), 2u);
  ASSERT_EQ(::truncate(path("x").c_str(), 0), 0);
  append("x", "new\n");
  EXPECT_EQ(drain(tail), Lines{"new"});
  EXPECT_EQ(flags_, "[\"gap_before\"]");
  const auto doubts = events(LedgerEvent::kDoubt);
  ASSERT_EQ(doubts.size(), 1u);
  EXPECT_EQ(doubts[0].reason, "truncated?");
}

TEST_F(CopytruncateTest, a_file_truncated_and_refilled_beyond_its_position_is_noticed_too) {
  append("x", "first\n");
  Tail tail(Stream::kFile, {}, kWaitNs);
  tail.add(open("x"), 0);
  EXPECT_EQ(drain(tail).size(), 1u);
  ASSERT_EQ(::truncate(path("x").c_str(), 0), 0);
  append("x", "something that is longer\nthan before\n");
  EXPECT_EQ(drain(tail), (Lines{"something that is longer", "than before"}));
}

TEST_F(CopytruncateTest, a_log_first_seen_between_the_steps_of_copytruncate_comes_once) {
  append("x", "first\nsecond\nthi");
  fs::copy_file(path("x"), path("x.1"));
  append("x", "rd\n");
  Tail tail(Stream::kFile, {}, kWaitNs);
  tail.add(open("x.1"), 0);
  tail.add(open("x"), 0);
  EXPECT_EQ(drain(tail), (Lines{"first", "second", "third"}));
  fs::resize_file(path("x"), 0);
  append("x", "new\n");
  EXPECT_EQ(drain(tail), Lines{"new"});
  EXPECT_EQ(events(LedgerEvent::kDoubt).size(), 1u);
}

TEST_F(CopytruncateTest, a_copied_log_that_was_truncated_already_is_read_anew) {
  append("x", "first\nsecond\n");
  fs::copy_file(path("x"), path("x.1"));
  fs::resize_file(path("x"), 0);
  append("x", "first\nthird\nfourth\n");
  Tail tail(Stream::kFile, {}, kWaitNs);
  tail.add(open("x.1"), 0);
  tail.add(open("x"), 0);
  EXPECT_EQ(drain(tail), (Lines{"first", "second", "first", "third", "fourth"}));
}

TEST_F(CopytruncateTest, behind_each_copy_of_a_log_something_may_be_missing) {
  append("x", "first\n");
  // A file system's clock ticks slowly.
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  fs::copy_file(path("x"), path("x.2"));
  fs::resize_file(path("x"), 0);
  append("x", "second\n");
  fs::copy_file(path("x"), path("x.1"));
  fs::resize_file(path("x"), 0);
  append("x", "third\n");
  Tail tail(Stream::kFile, {}, kWaitNs);
  for (const char* name : {"x.2", "x.1", "x"}) tail.add(open(name), 0);
  EXPECT_EQ(drain(tail), (Lines{"first", "second", "third"}));
  // The second one waits for a minute, and both are named.
  now_ns_ = tail.recheck_at_ns();
  EXPECT_EQ(drain(tail), Lines{});
  const auto doubts = events(LedgerEvent::kDoubt);
  ASSERT_EQ(doubts.size(), 2u);
  EXPECT_EQ(doubts[0].start.bytes, 6u);
  EXPECT_EQ(doubts[1].start.bytes, 13u);
}

TEST_F(CopytruncateTest, the_hole_of_a_writer_that_kept_its_offset_holds_no_line) {
  std::ofstream writer(path("x"), std::ios::binary);
  const std::string line(20'000, 'a');
  writer << line << "\n" << std::flush;
  Tail tail(Stream::kFile, {}, kWaitNs);
  tail.add(open("x"), 0);
  EXPECT_EQ(drain(tail).size(), 1u);
  ASSERT_EQ(::truncate(path("x").c_str(), 0), 0);
  writer << "after\n" << std::flush;
  EXPECT_EQ(drain(tail), Lines{});
  now_ns_ = tail.recheck_at_ns();  // Nobody has written to it.
  EXPECT_EQ(drain(tail), Lines{"after"});
}

TEST_F(CopytruncateTest, what_was_seen_of_a_truncated_file_is_a_range) {
  append("x", "first\n");
  auto state = read_all("x");
  append("x", "never read\n");
  state.seen_bytes = fs::file_size(path("x"));
  fs::resize_file(path("x"), 0);
  append("x", "new\n");
  EXPECT_EQ(resume(state, "x", 1), Lines{"new"});
  const auto lost = events(LedgerEvent::kLost);
  ASSERT_EQ(lost.size(), 1u);
  EXPECT_EQ(lost[0].reason, "truncated");
  EXPECT_EQ(lost[0].start.bytes, 6u);
  EXPECT_EQ(lost[0].end.bytes, 17u);
  const auto doubts = events(LedgerEvent::kDoubt);
  ASSERT_EQ(doubts.size(), 1u);
  EXPECT_EQ(doubts[0].start.bytes, 17u);
  EXPECT_EQ(at_, 21u);
}

TEST_F(CopytruncateTest, the_unread_rest_of_a_truncated_file_is_read_from_its_copy) {
  no_copies_ = false;
  append("x", "first\n");
  const auto state = read_all("x");
  append("x", "unread\nrest\n");
  fs::copy_file(path("x"), path("x.1"));
  fs::resize_file(path("x"), 0);
  append("x", "new\n");
  Tail tail(Stream::kFile, state, kWaitNs, {1, 0});
  tail.add(open("x"), 0);
  EXPECT_EQ(drain(tail), Lines{});
  ASSERT_TRUE(tail.take_copy_wish());
  tail.add_copies({open("x.1")});
  EXPECT_EQ(drain(tail), (Lines{"unread", "rest", "new"}));
  const auto doubts = events(LedgerEvent::kDoubt);
  ASSERT_EQ(doubts.size(), 1u);
  EXPECT_EQ(doubts[0].start, doubts[0].end);
  // After a restart or a rewind in the middle it is the same.
  const auto end = tail.state();
  for (int turn = 0; turn < 2; ++turn) {
    tail.rewind(state);
    at_ = state.covered.bytes;
    EXPECT_EQ(drain(tail), Lines{});
    ASSERT_TRUE(tail.take_copy_wish());
    tail.add_copies({open("x.1")});
    EXPECT_EQ(drain(tail), (Lines{"unread", "rest", "new"}));
    EXPECT_EQ(tail.state(), end);
  }
  tail.confirmed(end);
  append("x", "more\n");
  EXPECT_EQ(drain(tail), Lines{"more"});
}

TEST_F(CopytruncateTest, a_file_that_is_no_copy_is_not_read_as_one) {
  no_copies_ = false;
  append("x", "first\n");
  const auto state = read_all("x");
  append("x.1", "other\nlines that are longer\n");
  fs::resize_file(path("x"), 0);
  append("x", "new\n");
  Tail tail(Stream::kFile, state, kWaitNs, {1, 0});
  tail.add(open("x"), 0);
  EXPECT_EQ(drain(tail), Lines{});
  tail.add_copies({open("x.1")});
  EXPECT_EQ(drain(tail), Lines{"new"});
}

TEST_F(CopytruncateTest, several_copies_that_nobody_has_read_are_read_one_after_the_other) {
  no_copies_ = false;
  append("x", "first\n");
  const auto state = read_all("x");
  const char* const names[] = {"x.3", "x.2", "x.1"};
  append("x", "unread\n");
  for (const char* name : names) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    fs::copy_file(path("x"), path(name));
    fs::resize_file(path("x"), 0);
    append("x", std::string("after ") + name + "\n");
  }
  append("older", "nothing of it\n");
  Tail tail(Stream::kFile, state, kWaitNs, {1, 0});
  tail.add(open("x"), 0);
  EXPECT_EQ(drain(tail), Lines{});
  ASSERT_TRUE(tail.take_copy_wish());
  tail.add_copies({open("older"), open("x.3"), open("x.2"), open("x.1")});
  EXPECT_EQ(drain(tail), (Lines{"unread", "after x.3", "after x.2", "after x.1"}));
  EXPECT_EQ(events(LedgerEvent::kDoubt).size(), 1u);
  EXPECT_EQ(tail.state().truncations.count, 2u);
  // A restart in the middle goes on there.
  EXPECT_EQ(tail.state().closed.size(), 3u);
}

TEST_F(CopytruncateTest, a_mirrored_log_that_is_replaced_by_grown_copies_is_one_file) {
  std::string content;
  const auto grow = [&](int line) { content += "line " + std::to_string(line) + "\n"; };
  for (int line = 0; line < 1000; ++line) grow(line);
  append("x", content);
  Tail tail(Stream::kFile, {}, kWaitNs);
  tail.add(open("x"), 0);
  EXPECT_EQ(drain(tail).size(), 1000u);
  auto state = tail.state();
  for (int turn = 0; turn < 3; ++turn) {
    grow(1000 + turn);
    append("x.tmp", content);
    fs::rename(path("x.tmp"), path("x"));
    tail.add(open("x"), 0);
    EXPECT_EQ(drain(tail), Lines{"line " + std::to_string(1000 + turn)});
  }
  EXPECT_TRUE(events(LedgerEvent::kLost).empty());
  EXPECT_TRUE(events(LedgerEvent::kDoubt).empty());
  // The same while no agent runs.
  at_ = state.covered.bytes;
  EXPECT_EQ(resume(state, "x", 1), (Lines{"line 1000", "line 1001", "line 1002"}));
  EXPECT_TRUE(events(LedgerEvent::kLost).empty());
}

TEST_F(CopytruncateTest, a_few_lines_that_begin_two_files_alike_leave_a_doubt) {
  append("x", "same\n");
  const auto state = read_all("x");
  fs::remove(path("x"));
  append("y", "same\nand more\n");
  EXPECT_EQ(resume(state, "y", 1), Lines{"and more"});
  ASSERT_EQ(events(LedgerEvent::kDoubt).size(), 1u);
  EXPECT_EQ(events(LedgerEvent::kDoubt)[0].reason, kCopyDoubt);
  EXPECT_TRUE(events(LedgerEvent::kLost).empty());
}

TEST_F(CopytruncateTest, a_rotated_file_is_no_copy_though_its_successor_begins_as_it_does) {
  append("x", "same\n");
  Tail tail(Stream::kFile, {}, kWaitNs);
  tail.add(open("x"), 0);
  EXPECT_EQ(drain(tail).size(), 1u);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  fs::rename(path("x"), path("x.1"));
  append("x", "same\nand more\n");
  tail.add(open("x"), 0);
  EXPECT_EQ(drain(tail), (Lines{"same", "and more"}));
}

TEST_F(CopytruncateTest, a_file_beside_the_log_is_judged_by_its_content) {
  append("x", "first\nsecond\n");
  Tail tail(Stream::kFile, {}, kWaitNs);
  tail.add(open("x"), 0);
  EXPECT_EQ(drain(tail).size(), 2u);
  const auto verdict = [&](const std::string& content) {
    append("beside", content);
    CopyJudged judged;
    tail.judge(*open("beside"), judged);
    EXPECT_EQ(judged.size_bytes, content.size());
    fs::remove(path("beside"));
    return judged.verdict;
  };
  EXPECT_EQ(verdict("first\nsecond\n"), CopyVerdict::kCopy);
  EXPECT_EQ(verdict("first\nsec"), CopyVerdict::kCopy);  // It is being made.
  EXPECT_EQ(verdict("first\nsecond\nthird\n"), CopyVerdict::kGrownCopy);
  EXPECT_EQ(verdict("first\nother\n"), CopyVerdict::kOther);
  EXPECT_EQ(verdict("other\n"), CopyVerdict::kOther);
  fs::resize_file(path("x"), 0);
  EXPECT_EQ(verdict("first\nsecond\n"), CopyVerdict::kCopy);
  EXPECT_EQ(verdict("first\nsecond\nunread\n"), CopyVerdict::kCopy);
  EXPECT_EQ(verdict("other\n"), CopyVerdict::kOther);
}

TEST_F(CopytruncateTest, a_copy_that_is_shorter_than_what_was_read_is_one_all_the_same) {
  for (const bool noticed : {false, true}) {
    const std::string log = noticed ? "y" : "x", copy = log + ".1";
    Tail tail(Stream::kFile, {}, kWaitNs);
    append(log, "first\n");
    tail.add(open(log), 0);
    at_ = 0;
    std::string lines;
    for (int line = 0; line < 20'000; ++line) lines += "line " + std::to_string(line) + "\n";
    append(log, lines);
    EXPECT_EQ(drain(tail).size(), 20'001u);
    append(log, "second\n");
    EXPECT_EQ(drain(tail).size(), 1u);
    append(log, "copied, but not yet read");
    fs::copy_file(path(log), path(copy));
    append(log, " to its end\nthird\n");
    EXPECT_EQ(drain(tail).size(), 2u);
    fs::resize_file(path(log), 0);
    if (noticed) {
      append(log, "new\n");
      EXPECT_EQ(drain(tail), Lines{"new"});
    }
    CopyJudged judged;
    tail.judge(*open(copy), judged);
    EXPECT_EQ(judged.verdict, CopyVerdict::kCopy);
    append(copy + "o", "first\nof another log\n");
    judged = {};
    tail.judge(*open(copy + "o"), judged);
    EXPECT_EQ(judged.verdict, CopyVerdict::kOther);
  }
}

TEST_F(CopytruncateTest, a_copy_without_anything_unread_is_remembered) {
  append("x", "first\n");
  Tail tail(Stream::kFile, {}, kWaitNs);
  tail.add(open("x"), 0);
  EXPECT_EQ(drain(tail).size(), 1u);
  fs::copy_file(path("x"), path("x.1"));
  CopyJudged judged;
  EXPECT_TRUE(tail.judge(*open("x.1"), judged));
  EXPECT_EQ(tail.state().closed, std::vector{open("x.1")->identity});
  // After a restart too, though the log has been truncated meanwhile.
  fs::resize_file(path("x"), 0);
  append("x", "new\n");
  EXPECT_EQ(drain(tail), Lines{"new"});
  Tail later(Stream::kFile, tail.state(), kWaitNs);
  EXPECT_FALSE(later.judge(*open("x.1"), judged));
  EXPECT_EQ(judged.verdict, CopyVerdict::kCopy);
}

TEST_F(CopytruncateTest, a_truncated_file_whose_copy_nobody_looks_for_is_read_all_the_same) {
  no_copies_ = false;
  append("x", "first\n");
  const auto state = read_all("x");
  fs::resize_file(path("x"), 0);
  append("x", "new\n");
  Tail tail(Stream::kFile, state, kWaitNs, {1, 0});
  tail.add(open("x"), 0);
  EXPECT_EQ(drain(tail), Lines{});
  EXPECT_GT(tail.recheck_at_ns(), now_ns_);
  now_ns_ = tail.recheck_at_ns();
  EXPECT_EQ(drain(tail), Lines{"new"});
}

}  // namespace
}  // namespace longshore::agent
