// Goal: what is written to a generation after it was closed comes once, flagged, between the lines
// of its successor, with the agent up and after a restart.
// Method: real files with writers that keep them open; overwritten files give nothing.

#include "agent/tail/late_writes.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <random>

#include "config/limits.h"
#include "tests/fakes/seed.h"
#include "tests/fakes/tail_reader.h"

namespace longshore::agent {
namespace {

namespace fs = std::filesystem;
using fakes::kWaitNs;
using fakes::Lines;

constexpr int64_t kSecond = 1'000'000'000;

class LateWritesTest : public testing::Test, protected fakes::TailReader {
 protected:
  // "x" is rotated to "x.1", read to its end and closed; "x" goes on with "next".
  void rotate(Tail& tail) {
    append("x", "first\n");
    tail.add(open("x"), 0);
    EXPECT_EQ(drain(tail), Lines{"first"});
    fs::rename(path("x"), path("x.1"));
    append("x", "next\n");
    tail.add(open("x"), 0);
    EXPECT_EQ(drain(tail), Lines{"next"});
  }
  void pass(int64_t ns) { now_ns_ += ns; }
};

TEST_F(LateWritesTest, a_line_of_an_old_worker_comes_flagged_and_the_stream_goes_on) {
  Tail tail(Stream::kFile, {}, kWaitNs);
  rotate(tail);
  pass(8 * kSecond);
  append("x.1", "late 1\nlate 2\n");
  EXPECT_EQ(drain(tail), (Lines{"late 1", "late 2"}));
  EXPECT_EQ(flags_, "[\"late\"]");
  append("x", "more\n");
  EXPECT_EQ(drain(tail), Lines{"more"});
  EXPECT_EQ(flags_, "");
  pass(kSecond);
  append("x.1", "late 3\n");
  EXPECT_EQ(drain(tail), Lines{"late 3"});
  EXPECT_TRUE(events(LedgerEvent::kLost).empty());
  // The state holds it: nothing comes again.
  Tail restarted(Stream::kFile, tail.state(), kWaitNs, {1, 0});
  restarted.add(open("x"), 0);
  restarted.add_closed(open("x.1"));
  EXPECT_EQ(drain(restarted), Lines{});
  append("x", "end\n");
  EXPECT_EQ(drain(restarted), Lines{"end"});
}

TEST_F(LateWritesTest, a_line_comes_to_a_file_that_was_empty_when_it_was_rotated) {
  Tail tail(Stream::kFile, {}, kWaitNs);
  append("x", "");
  tail.add(open("x"), 0);
  EXPECT_EQ(drain(tail), Lines{});
  fs::rename(path("x"), path("x.1"));
  append("x", "next\n");
  tail.add(open("x"), 0);
  EXPECT_EQ(drain(tail), Lines{"next"});
  pass(kSecond);
  append("x.1", "late\n");
  EXPECT_EQ(drain(tail), Lines{"late"});
  EXPECT_EQ(flags_, "[\"late\"]");
}

TEST_F(LateWritesTest, what_was_given_up_does_not_come_late) {
  Tail tail(Stream::kFile, {}, kWaitNs);
  append("x", "first\n");
  tail.add(open("x"), 0);
  EXPECT_EQ(drain(tail), Lines{"first"});
  const auto identity = open("x")->identity;
  append("x", "unread\n");
  fs::rename(path("x"), path("x.1"));
  append("x", "next\n");
  tail.add(open("x"), 0);
  tail.give_up(identity);
  EXPECT_EQ(drain(tail), Lines{"next"});
  pass(kSecond);
  EXPECT_EQ(drain(tail), Lines{});
  EXPECT_FALSE(events(LedgerEvent::kLost).empty());
}

TEST_F(LateWritesTest, the_nuls_of_a_hole_are_passed_over) {
  Tail tail(Stream::kFile, {}, kWaitNs);
  rotate(tail);
  append("x.1", "late 1\n" + std::string(3 << 20, '\0') + "late 2\n");
  pass(kSecond);
  EXPECT_EQ(drain(tail), (Lines{"late 1", "late 2"}));
  EXPECT_EQ(drain(tail, 10), Lines{});
}

TEST_F(LateWritesTest, pieces_of_a_line_whose_rest_does_not_come_are_a_record) {
  Tail tail(Stream::kStdout, {}, kWaitNs);
  const std::string now = "2026-11-29T12:00:00.000000001Z stdout ";
  append("x", now + "F first\n");
  tail.add(open("x"), 0);
  EXPECT_EQ(drain(tail), Lines{"first"});
  fs::rename(path("x"), path("x.1"));
  append("x", now + "F next\n");
  tail.add(open("x"), 0);
  EXPECT_EQ(drain(tail), Lines{"next"});
  pass(kSecond);
  append("x.1", now + "P ab\n" + now + "P cd\n");
  EXPECT_EQ(drain(tail), Lines{"abcd"});
  append("x", now + "F more\n");
  EXPECT_EQ(drain(tail), Lines{"more"});
}

TEST_F(LateWritesTest,
       what_was_written_while_the_agent_was_stopped_comes_when_the_file_is_offered) {
  Tail tail(Stream::kFile, {}, kWaitNs);
  rotate(tail);
  const auto state = tail.state();
  append("x.1", "late\n");
  Tail restarted(Stream::kFile, state, kWaitNs, {1, 0});
  restarted.add(open("x"), 0);
  EXPECT_EQ(drain(restarted), Lines{});
  restarted.add_closed(open("x.1"));
  EXPECT_EQ(drain(restarted), Lines{"late"});
  // A rewind undoes it.
  restarted.rewind(state);
  at_ = state.covered.bytes;
  EXPECT_EQ(drain(restarted), Lines{"late"});
}

TEST_F(LateWritesTest, an_unterminated_line_waits_for_its_end_or_for_quiet) {
  Tail tail(Stream::kFile, {}, kWaitNs);
  rotate(tail);
  pass(kSecond);
  std::ofstream writer(path("x.1"), std::ios::app);
  writer << "in " << std::flush;
  EXPECT_EQ(drain(tail), Lines{});
  EXPECT_EQ(tail.recheck_at_ns(), now_ns_ + kWaitNs);
  pass(kSecond);
  writer << "pieces\nrest" << std::flush;
  EXPECT_EQ(drain(tail), Lines{"in pieces"});
  pass(kSecond);
  EXPECT_EQ(drain(tail), Lines{});
  writer.close();
  pass(kSecond);
  EXPECT_EQ(drain(tail), Lines{"rest"});
}

TEST_F(LateWritesTest, a_closed_file_that_is_overwritten_gives_nothing) {
  Tail tail(Stream::kFile, {}, kWaitNs);
  rotate(tail);
  std::ofstream(path("x.1"), std::ios::binary) << std::string(4096, 'r');  // As shred does.
  pass(kSecond);
  EXPECT_EQ(drain(tail), Lines{});
  append("x", "more\n");
  EXPECT_EQ(drain(tail), Lines{"more"});
}

TEST_F(LateWritesTest, it_is_watched_for_a_while) {
  Tail tail(Stream::kFile, {}, kWaitNs);
  rotate(tail);
  pass(limits::kLateWatchNs + kSecond);
  EXPECT_EQ(drain(tail), Lines{});
  append("x.1", "too late\n");
  pass(kSecond);
  EXPECT_EQ(drain(tail), Lines{});
  EXPECT_EQ(tail.recheck_at_ns(), 0);
}

TEST_F(LateWritesTest, random_late_writers_lose_and_double_nothing) {
  std::mt19937_64 random(fakes::seed());
  for (int round = 0; round < 20; ++round) {
    Tail tail(Stream::kFile, {}, kWaitNs);
    at_ = 0;
    for (const char* name : {"x", "x.1"}) fs::remove(path(name));
    rotate(tail);
    auto state = tail.state();
    uint64_t at = at_;
    Lines written, read;
    for (int i = 0; i < 200; ++i) {
      const std::string line = "line " + std::to_string(i) + std::string(random() % 30, '.');
      append(random() % 2 == 0 ? "x" : "x.1", line + "\n");
      written.push_back(line);
      pass(static_cast<int64_t>(random() % kSecond));
      if (random() % 3 == 0) continue;
      const auto lines = drain(tail);
      if (random() % 4 == 0) {
        tail.rewind(state);
        at_ = at;
        continue;
      }
      read.insert(read.end(), lines.begin(), lines.end());
      state = tail.state();
      at = at_;
      tail.confirmed(state);
    }
    for (int i = 0; i < 3; ++i) {
      pass(kSecond);
      for (auto& line : drain(tail)) read.push_back(std::move(line));
    }
    std::ranges::sort(written);
    std::ranges::sort(read);
    EXPECT_EQ(read, written);
  }
}

}  // namespace
}  // namespace longshore::agent
