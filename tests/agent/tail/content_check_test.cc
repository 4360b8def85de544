// Goal: a file that is written anew is noticed, whatever of it looks as before, and neither growth
// nor a touch is taken for it.
// Method: real files, rewritten in place to the same size or a larger one with the agent up and
// stopped; each line must come, and nothing twice.

#include "agent/tail/content_check.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <random>
#include <thread>

#include "config/limits.h"
#include "tests/fakes/seed.h"
#include "tests/fakes/tail_reader.h"

namespace longshore::agent {
namespace {

namespace fs = std::filesystem;
using fakes::kWaitNs;
using fakes::Lines;

// The end of a stack trace: the same each time, and longer than the overlap.
const std::string kFrames =
    "\tat com.example.Main.start(Main.java:42)\n\tat com.example.Main.main("
    "Main.java:17) [application.jar:1.0]\n";

class ContentCheckTest : public testing::Test, protected fakes::TailReader {
 protected:
  ContentCheckTest() { wall_ns_ = now(); }

  static int64_t now() {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
  }
  // The file system's clock ticks, and what was written before counts as old.
  void tick() {
    std::this_thread::sleep_for(std::chrono::milliseconds(25));
    wall_ns_ = now();
  }
  void rewrite(const std::string& name, const std::string& text) {
    std::ofstream(path(name), std::ios::trunc | std::ios::binary) << text;
  }
  std::string numbered(const std::string& run, size_t lines) {
    std::string text;
    for (size_t i = 0; i < lines; ++i) text += run + " line " + std::to_string(100'000 + i) + "\n";
    return text;
  }
  // Drains, with as many pauses as the tail wants.
  Lines drain_all(Tail& tail) {
    Lines all;
    for (int turn = 0; turn < 1000; ++turn) {
      for (auto& line : drain(tail)) all.push_back(std::move(line));
      if (tail.recheck_at_ns() == 0 || tail.recheck_at_ns() > now_ns_ + 1'000'000'000) return all;
      now_ns_ = tail.recheck_at_ns();
    }
    ADD_FAILURE() << "the tail never rests";
    return all;
  }
  size_t losses() const { return events(LedgerEvent::kLost).size(); }
  size_t doubts() const { return events(LedgerEvent::kDoubt).size(); }
};

TEST_F(ContentCheckTest, a_crash_loop_that_ends_with_the_same_frames_comes_whole_each_time) {
  for (const bool settled : {false, true}) {
    rewrite("x", "run 00\n" + kFrames);
    Tail tail(Stream::kFile, {}, kWaitNs);
    tail.add(open("x"), 0);
    at_ = 0;
    EXPECT_EQ(drain(tail).size(), 3u);
    for (int run = 1; run < 16; ++run) {
      if (settled) tick();
      EXPECT_EQ(drain(tail), Lines{});
      rewrite("x", "run " + std::to_string(10 + run) + "\n" + kFrames);
      const Lines lines = drain_all(tail);
      ASSERT_EQ(lines.size(), 3u) << "run " << run << (settled ? ", settled" : "");
      EXPECT_EQ(lines[0], "run " + std::to_string(10 + run));
    }
  }
}

TEST_F(ContentCheckTest, a_file_rewritten_while_the_agent_is_stopped_comes_whole) {
  rewrite("x", "run 00\n" + kFrames);
  auto state = read_all("x");
  for (int run = 1; run < 8; ++run) {
    rewrite("x", "run " + std::to_string(10 + run) + "\n" + kFrames);
    Tail tail(Stream::kFile, state, kWaitNs, {1, 0});
    tail.add(open("x"), 0);
    ASSERT_EQ(drain_all(tail).size(), 3u) << "run " << run;
    EXPECT_GE(doubts(), 1u);
    state = tail.state();
  }
  EXPECT_EQ(losses(), 0u);
}

TEST_F(ContentCheckTest, a_file_rewritten_to_a_larger_size_comes_whole) {
  rewrite("x", "run 00\n" + kFrames);
  Tail tail(Stream::kFile, {}, kWaitNs);
  tail.add(open("x"), 0);
  EXPECT_EQ(drain(tail).size(), 3u);
  const auto state = tail.state();
  const auto at = at_;
  rewrite("x", "run 01\n" + kFrames + "more\n");
  EXPECT_EQ(drain_all(tail).size(), 4u);
  Tail restarted(Stream::kFile, state, kWaitNs, {1, 0});
  restarted.add(open("x"), 0);
  at_ = at;
  EXPECT_EQ(drain_all(restarted).size(), 4u);
}

TEST_F(ContentCheckTest, one_other_byte_anywhere_in_a_large_file_of_the_same_size_is_noticed) {
  const std::string text = numbered(std::string(150, 'x'), 15'000);  // 2.5 MiB.
  std::mt19937_64 random(fakes::seed());
  for (int round = 0; round < 8; ++round) {
    rewrite("x", text);
    tick();
    const auto state = read_all("x");
    const auto at = at_;
    std::string other = text;
    size_t place = random() % (text.size() - 200);
    if (round == 0) place = 0;
    while (other[place] == '\n') ++place;
    other[place] = '#';
    rewrite("x", other);
    Tail tail(Stream::kFile, state, kWaitNs, {1, 0});
    tail.add(open("x"), 0);
    at_ = at;
    events_.clear();
    EXPECT_EQ(drain_all(tail).size(), 15'000u) << "byte " << place;
    EXPECT_EQ(doubts(), 1u);
    at_ = 0;
  }
}

TEST_F(ContentCheckTest, a_large_file_that_begins_otherwise_and_grew_is_noticed) {
  rewrite("x", numbered("run 1", 50'000));
  const auto state = read_all("x");
  rewrite("x", "run 2" + numbered("run 1", 50'000).substr(5) + "more\n");
  EXPECT_EQ(resume(state, "x", 1).size(), 50'001u);
}

TEST_F(ContentCheckTest, a_large_file_whose_middle_differs_and_that_grew_while_nobody_looked) {
  rewrite("x", numbered("run 1", 50'000));
  const auto state = read_all("x");
  std::string other = numbered("run 1", 50'000);
  for (size_t at = 5000; at < other.size() - 5000; at += 1000) other[at] = '#';
  rewrite("x", other + "more\n");
  EXPECT_EQ(resume(state, "x", 1).size(), 50'001u);
}

TEST_F(ContentCheckTest, a_file_that_was_skipped_at_its_start_is_known_by_what_stood_there) {
  rewrite("x", "run 00\n" + kFrames);
  Tail tail(Stream::kFile, {}, kWaitNs);
  at_ = fs::file_size(path("x"));
  tail.add(open("x"), at_);
  EXPECT_EQ(drain(tail), Lines{});
  rewrite("x", "run 01\n" + kFrames);
  EXPECT_EQ(drain_all(tail).size(), 3u);
}

TEST_F(ContentCheckTest, growth_is_never_taken_for_anything_else) {
  std::mt19937_64 random(fakes::seed());
  checkpoint::SourceState state;
  size_t written = 0, read = 0;
  for (int life = 0; life < 20; ++life) {
    Tail tail(Stream::kFile, state, kWaitNs, {1, 0});
    const auto write = [&] {
      const size_t lines = random() % (random() % 4 == 0 ? 5000 : 5);
      append("x", numbered("life " + std::to_string(life), lines));
      written += lines;
    };
    write();
    tail.add(open("x"), 0);
    for (int burst = 0; burst < 5; ++burst) {
      now_ns_ += static_cast<int64_t>(random() % 3'000'000'000);
      if (random() % 3 == 0) tick();
      read += drain_all(tail).size();
      write();
    }
    read += drain_all(tail).size();
    state = tail.state();
    write();
  }
  Tail tail(Stream::kFile, state, kWaitNs, {1, 0});
  tail.add(open("x"), 0);
  read += drain_all(tail).size();
  EXPECT_EQ(read, written);
  EXPECT_EQ(losses() + doubts(), 0u);
}

TEST_F(ContentCheckTest, a_touch_or_a_rename_is_no_rewrite_and_is_asked_a_piece_at_a_time) {
  rewrite("x", numbered(std::string(170, 'x'), 20'000));  // 3.6 MiB.
  Tail tail(Stream::kFile, {}, kWaitNs);
  tail.add(open("x"), 0);
  EXPECT_EQ(drain_all(tail).size(), 20'000u);
  tick();
  EXPECT_EQ(drain(tail), Lines{});
  ASSERT_EQ(::utimensat(AT_FDCWD, path("x").c_str(), nullptr, 0), 0);
  int pieces = 0;
  EXPECT_EQ(drain(tail), Lines{});
  for (; tail.recheck_at_ns() != 0 && pieces < 10; ++pieces) {
    EXPECT_EQ(tail.recheck_at_ns(), now_ns_ + limits::kComparePauseNs);
    now_ns_ = tail.recheck_at_ns();
    EXPECT_EQ(drain(tail), Lines{});
  }
  EXPECT_EQ(pieces, 3);
  fs::rename(path("x"), path("y"));
  ASSERT_EQ(::chmod(path("y").c_str(), 0600), 0);
  append("y", "after\n");
  EXPECT_EQ(drain_all(tail), Lines{"after"});
  EXPECT_EQ(losses() + doubts(), 0u);
}

TEST_F(ContentCheckTest, a_state_of_an_older_version_is_gone_on_with) {
  append("x", "first\n");
  auto state = read_all("x");
  state.stamp = {};
  state.settled = false;
  state.marks.head = 0;
  append("x", "second\n");
  EXPECT_EQ(resume(state, "x", 1), Lines{"second"});
  EXPECT_EQ(losses() + doubts(), 0u);
}

}  // namespace
}  // namespace longshore::agent
