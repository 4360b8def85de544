// Goal: a line that Docker cut in pieces is one record, whatever comes between the pieces:
// rotations, restarts of the agent, rewinds, the other stream. What a process left without a
// newline ends with its run. What was never written to a file is no text, and what is still written
// there later is not missed.
// Method: real files in a temporary directory, as dockerd and applications write them.

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <random>

#include "agent/tail/tail.h"
#include "config/limits.h"
#include "tests/fakes/tail_reader.h"

namespace longshore::agent {
namespace {

namespace fs = std::filesystem;
using checkpoint::SourceEvent;
using checkpoint::SourceState;
using fakes::kWaitNs;
using fakes::Lines;

std::string entry(const std::string& log, int time, const std::string& stream = "stdout") {
  return R"({"log":")" + log + R"(","stream":")" + stream + R"(","time":"2026-11-21T04:50:00.)" +
         std::to_string(100'000'000 + time) + "Z\"}\n";
}

class FramingTest : public testing::Test, protected fakes::TailReader {
 protected:
  void rotate(const std::string& name) {
    fs::rename(path(name), path(name + "." + std::to_string(++rotations_)));
    append(name, "");
  }
  void write_at(const std::string& name, uint64_t offset, const std::string& text) {
    std::fstream file(path(name), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(offset)) << text;
  }

  int rotations_ = 0;
};

TEST_F(FramingTest, pieces_of_a_line_are_one_record_over_rotations_and_restarts) {
  for (const bool restarts : {false, true}) {
    SCOPED_TRACE(restarts);
    const std::string name = restarts ? "r" : "x";
    at_ = 0;
    auto tail = std::make_unique<Tail>(Stream::kStdout, SourceState{}, kWaitNs);
    append(name, entry("first\\n", 1) + entry("one-", 2));
    tail->add(open(name), 0);
    Lines lines = drain(*tail);
    for (const char* piece : {"two-", "three-", "four\\n"}) {
      rotate(name);
      append(name, entry(piece, 2));
      tail->add(open(name), 0);
      const Lines more = drain(*tail);
      lines.insert(lines.end(), more.begin(), more.end());
      if (!restarts) continue;
      const auto state = tail->state();
      tail = std::make_unique<Tail>(Stream::kStdout, state, kWaitNs);
      tail->add(open(name), 0);
    }
    EXPECT_EQ(lines, (Lines{"first", "one-two-three-four"}));
    EXPECT_EQ(parts_, 0);
    EXPECT_TRUE(events(LedgerEvent::kLost).empty());
  }
}

TEST_F(FramingTest, a_rewind_joins_the_same_pieces_again) {
  append("x", entry("one-", 2));
  Tail tail(Stream::kStdout, {}, kWaitNs);
  tail.add(open("x"), 0);
  EXPECT_EQ(drain(tail), Lines{});
  rotate("x");
  tail.add(open("x"), 0);
  EXPECT_EQ(drain(tail), Lines{});
  const SourceState between = tail.state();
  EXPECT_EQ(between.begun.text, "one-");
  append("x", entry("two\\n", 2));
  EXPECT_EQ(drain(tail), Lines{"one-two"});
  tail.rewind(between);
  at_ = 0;
  EXPECT_EQ(drain(tail), Lines{"one-two"});
}

TEST_F(FramingTest, cri_pieces_are_one_record_over_a_rotation) {
  const std::string head = "2026-11-21T04:50:00.1+00:00 stdout ";
  append("x", head + "P one-\n");
  Tail tail(Stream::kStdout, {}, kWaitNs);
  tail.add(open("x"), 0);
  rotate("x");
  append("x", head + "P two-\n" + head + "F three\n");
  tail.add(open("x"), 0);
  EXPECT_EQ(drain(tail), Lines{"one-two-three"});
}

TEST_F(FramingTest, a_line_of_both_streams_at_once_is_one_record_of_each) {
  std::string file, out, error;
  std::mt19937 random(20261121);
  for (int line = 0; line < 6; ++line) {
    out.clear(), error.clear();
    while (out.size() < 300'000 || error.size() < 300'000) {
      std::string& to = random() % 2 == 0 ? out : error;
      if (to.size() >= 300'000) continue;
      const std::string piece(16'384, static_cast<char>('a' + line));
      file += entry(piece, line, &to == &out ? "stdout" : "stderr");
      to += piece;
    }
    file += entry("!\\n", line) + entry("?\\n", line, "stderr");
  }
  append("x", file);
  for (const Stream stream : {Stream::kStdout, Stream::kStderr}) {
    Tail tail(stream, {}, kWaitNs);
    tail.add(open("x"), 0);
    at_ = 0;
    const Lines lines = drain(tail);
    EXPECT_EQ(lines.size(), 6u);
    for (const std::string& line : lines) EXPECT_EQ(line.size(), out.size() + 1);
    EXPECT_EQ(parts_, 0);
  }
}

TEST_F(FramingTest, a_line_over_the_limit_is_in_parts_over_rotations_too) {
  std::string whole;
  auto tail = std::make_unique<Tail>(Stream::kStdout, SourceState{}, kWaitNs);
  append("x", "");
  tail->add(open("x"), 0);
  Lines lines;
  for (int piece = 0; piece < 200; ++piece) {
    const std::string text(16'384, static_cast<char>('a' + piece % 26));
    append("x", entry(text, 1));
    whole += text;
    if (piece % 20 != 19) continue;
    rotate("x");
    tail->add(open("x"), 0);
    const Lines more = drain(*tail);
    lines.insert(lines.end(), more.begin(), more.end());
    const auto state = tail->state();
    tail = std::make_unique<Tail>(Stream::kStdout, state, kWaitNs);
    tail->add(open("x"), 0);
  }
  append("x", entry("!\\n", 1));
  const Lines more = drain(*tail);
  lines.insert(lines.end(), more.begin(), more.end());
  std::string joined;
  for (const std::string& line : lines) joined += line;
  EXPECT_EQ(joined, whole + "!");
  EXPECT_EQ(lines.size(), 4u);
  EXPECT_EQ(parts_, 4);
}

TEST_F(FramingTest, the_beginning_of_a_line_is_shipped_before_what_followed_it_is_lost) {
  append("x", entry("begun", 1));
  Tail tail(Stream::kStdout, {}, kWaitNs);
  tail.add(open("x"), 0);
  rotate("x");
  tail.add(open("x"), 0);
  EXPECT_EQ(drain(tail), Lines{});
  append("x", entry("-lost-", 1) + std::string(100, ' ') + "\n");
  SourceState state = tail.state();
  fs::remove(path("x"));
  append("keep-the-inode-busy", "");
  append("x", entry("rest\\n", 1));
  Tail restarted(Stream::kStdout, state, kWaitNs);
  restarted.add(open("x"), 0);
  EXPECT_EQ(drain(restarted), (Lines{"begun", "rest"}));
  EXPECT_EQ(flags_, "[\"gap_before\"]");
  EXPECT_FALSE(events(LedgerEvent::kLost).empty());
}

TEST_F(FramingTest, the_beginning_of_a_line_of_a_log_that_vanished_is_named) {
  append("x", entry("a\\n", 1) + entry("begun", 2));
  auto tail = std::make_unique<Tail>(Stream::kStdout, SourceState{}, kWaitNs);
  tail->add(open("x"), 0);
  rotate("x");
  tail->add(open("x"), 0);
  EXPECT_EQ(drain(*tail), Lines{"a"});
  const uint64_t shipped = at_;
  tail = std::make_unique<Tail>(Stream::kStdout, tail->state(), kWaitNs);
  tail->apply(SourceEvent::kVanished);
  EXPECT_EQ(drain(*tail), Lines{});
  ASSERT_EQ(events(LedgerEvent::kLost).size(), 1u);
  EXPECT_EQ(events(LedgerEvent::kLost)[0].start.bytes, shipped);
  EXPECT_EQ(events(LedgerEvent::kLost)[0].end.bytes, shipped + entry("begun", 2).size());
}

TEST_F(FramingTest, an_ended_container_gives_the_line_that_it_left) {
  append("x", entry("a\\n", 1) + entry("fatal", 2));
  Tail tail(Stream::kStdout, {}, kWaitNs);
  tail.add(open("x"), 0);
  rotate("x");
  tail.add(open("x"), 0);
  EXPECT_EQ(drain(tail), Lines{"a"});
  tail.ended(fs::file_size(path("x")));
  EXPECT_EQ(drain(tail), Lines{"fatal"});
  EXPECT_EQ(flags_, "[\"unterminated\"]");
  ASSERT_EQ(events(LedgerEvent::kEnded).size(), 1u);
  EXPECT_EQ(events(LedgerEvent::kEnded)[0].end.bytes, at_);
  tail.apply(SourceEvent::kOpened);
  append("x", entry("started\\n", 3));
  EXPECT_EQ(drain(tail), Lines{"started"});
}

TEST_F(FramingTest, the_next_run_is_no_end_though_nobody_has_told_of_it) {
  append("x", entry("a\\n", 1));
  Tail tail(Stream::kStdout, {}, kWaitNs);
  tail.add(open("x"), 0);
  tail.ended(fs::file_size(path("x")));
  EXPECT_EQ(drain(tail), Lines{"a"});
  append("x", entry("one-", 2));
  EXPECT_EQ(drain(tail), Lines{});
  tail.apply(SourceEvent::kOpened);
  append("x", entry("two\\n", 2));
  EXPECT_EQ(drain(tail), Lines{"one-two"});
  // Nor where both the end and what was written next come late.
  const uint64_t died = fs::file_size(path("x"));
  append("x", entry("three-", 3));
  tail.ended(died);
  EXPECT_EQ(drain(tail), Lines{});
  tail.ended(0);
  EXPECT_EQ(drain(tail), Lines{});
  tail.apply(SourceEvent::kOpened);
  append("x", entry("four\\n", 3));
  EXPECT_EQ(drain(tail), Lines{"three-four"});
}

TEST_F(FramingTest, a_closed_file_claims_no_more_than_records_cover) {
  append("x", entry("a\\n", 1, "stderr") + entry("b\\n", 2));
  Tail tail(Stream::kStderr, {}, kWaitNs);
  tail.add(open("x"), 0);
  for (int i = 0; i < 2; ++i) {
    rotate("x");
    append("x", entry("c\\n", 3));
    tail.add(open("x"), 0);
  }
  EXPECT_EQ(drain(tail), Lines{"a"});
  ASSERT_EQ(events(LedgerEvent::kClosed).size(), 2u);
  for (const auto& closed : events(LedgerEvent::kClosed)) EXPECT_EQ(closed.end.bytes, at_);
}

TEST_F(FramingTest, a_text_line_ends_where_all_processes_ended) {
  append("x", "one\nfatal: out of memory");
  Tail tail(Stream::kFile, {}, kWaitNs);
  const auto file = open("x");
  tail.add(file, 0);
  EXPECT_EQ(drain(tail), Lines{"one"});
  tail.end_run(file->identity, 24);
  append("x", "started\n");
  EXPECT_EQ(drain(tail), (Lines{"fatal: out of memory", "started"}));
  tail.end_run(file->identity, 32);  // It ended with a newline.
  append("x", "ha");
  tail.end_run(file->identity, 34);
  append("x", "lf");
  tail.end_run(file->identity, 36);
  append("x", "\n");
  EXPECT_EQ(drain(tail), (Lines{"ha", "lf", ""}));
}

TEST_F(FramingTest, a_text_line_ends_with_its_file) {
  append("x", "half");
  Tail tail(Stream::kFile, {}, kWaitNs);
  tail.add(open("x"), 0);
  rotate("x");
  append("x", "new\n");
  tail.add(open("x"), 0);
  EXPECT_EQ(drain(tail), (Lines{"half", "new"}));
}

TEST_F(FramingTest, lines_that_replace_the_nuls_of_a_preallocated_file_are_all_read) {
  constexpr uint64_t kSize = 4 << 20;
  append("x", "");
  fs::resize_file(path("x"), kSize);
  Tail tail(Stream::kFile, {}, kWaitNs);
  tail.add(open("x"), 0);
  EXPECT_EQ(drain(tail), Lines{});
  std::string text;
  Lines expected, got;
  for (int line = 0; text.size() < kSize - 10'000; ++line) {
    expected.push_back("line " + std::to_string(line) + std::string(line % 5000, 'x'));
    text += expected.back() + "\n";
  }
  // A writer with a buffer stops in the middle of lines.
  for (size_t at = 0; at < text.size(); at += 40'960) {
    write_at("x", at, text.substr(at, 40'960));
    now_ns_ += 2 * limits::kNulsWaitNs;
    for (const std::string& line : drain(tail)) got.push_back(line);
  }
  EXPECT_EQ(got, expected);
  EXPECT_EQ(parts_, 0);
  rotate("x");
  append("x", "next\n");
  tail.add(open("x"), 0);
  EXPECT_EQ(drain(tail), Lines{"next"});
  EXPECT_EQ(at_, kSize + 5);
}

TEST_F(FramingTest, nuls_before_text_wait_for_their_writer) {
  append("x", "one\n");
  Tail tail(Stream::kFile, {}, kWaitNs);
  tail.add(open("x"), 0);
  EXPECT_EQ(drain(tail), Lines{"one"});
  write_at("x", 8, "three\n");
  EXPECT_EQ(drain(tail), Lines{});
  EXPECT_GT(tail.recheck_at_ns(), now_ns_);
  write_at("x", 4, "two\n");
  EXPECT_EQ(drain(tail), (Lines{"two", "three"}));
  write_at("x", 100, "four\n");
  EXPECT_EQ(drain(tail), Lines{});
  now_ns_ += 2 * limits::kNulsWaitNs;
  EXPECT_EQ(drain(tail), Lines{"four"});
}

TEST_F(FramingTest, a_long_hole_is_passed_in_few_turns_and_ends_the_line_before_it) {
  append("x", "one\nhalf");
  fs::resize_file(path("x"), uint64_t{1} << 36);
  append("x", "two\n");
  Tail tail(Stream::kFile, {}, kWaitNs);
  tail.add(open("x"), 0);
  EXPECT_EQ(drain(tail), Lines{"one"});
  now_ns_ += 2 * limits::kNulsWaitNs;
  EXPECT_EQ(drain(tail), (Lines{"half", "two"}));
  EXPECT_EQ(at_, (uint64_t{1} << 36) + 4);
  const auto state = tail.state();
  append("x", "three\n");
  EXPECT_EQ(resume(state, "x", 1), Lines{"three"});
}

TEST_F(FramingTest, nuls_in_front_of_every_line_do_not_slow_a_file_down) {
  std::string text;
  for (int line = 0; line < 5000; ++line) {
    std::string buffer = "line " + std::to_string(line) + "\n";
    buffer.resize(256, '\0');
    text += buffer;
  }
  append("x", text);
  Tail tail(Stream::kFile, {}, kWaitNs);
  tail.add(open("x"), 0);
  size_t lines = drain(tail).size();
  EXPECT_EQ(lines, 1u);
  now_ns_ += 2 * limits::kNulsWaitNs;
  lines += drain(tail).size();
  EXPECT_EQ(lines, 5000u);
  tail.ended(fs::file_size(path("x")));
  EXPECT_EQ(drain(tail), Lines{});
  EXPECT_EQ(tail.state().offset, text.size());
  ASSERT_EQ(events(LedgerEvent::kEnded).size(), 1u);
  EXPECT_EQ(events(LedgerEvent::kEnded)[0].end.bytes, at_);
}

TEST_F(FramingTest, nuls_at_the_edge_of_a_window_are_text_if_the_line_goes_on) {
  const std::string line = std::string(limits::kReadBytesMax - 3, 'x') + std::string(10, '\0');
  append("x", line + "y\n");
  Tail tail(Stream::kFile, {}, kWaitNs);
  tail.add(open("x"), 0);
  std::string joined;
  for (const std::string& part : drain(tail)) joined += part;
  EXPECT_EQ(joined, line + "y");
}

}  // namespace
}  // namespace longshore::agent
