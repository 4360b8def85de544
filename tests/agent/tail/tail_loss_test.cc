// Goal: what a tail cannot deliver, it names to the byte where bytes can be known, and after a
// power loss it sends nothing twice but what it names.
// Method: real files that are cut, zeroed, deleted and made unreadable; positions of records and
// losses must meet; random power losses against the lines that were written.

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <random>
#include <set>

#include "tests/fakes/tail_reader.h"

namespace longshore::agent {
namespace {

namespace fs = std::filesystem;
using fakes::Lines;
constexpr int64_t kWaitNs = 5'000'000'000;

class TailLossTest : public testing::Test, protected fakes::TailReader {
 protected:
  // One life: reads all that is there and gives the state that a checkpoint would hold.
  checkpoint::SourceState read_all(const std::string& name, uint64_t boot = 1) {
    Tail tail(Stream::kFile, {}, kWaitNs, {boot, boot - 1});
    tail.add(open(name), 0);
    read_ = drain(tail);
    events_.clear();
    return tail.state();
  }

  // What the next life reads of it.
  Lines resume(const checkpoint::SourceState& state, const std::string& name, uint64_t boot) {
    Tail tail(Stream::kFile, state, kWaitNs, {boot, boot - 1});
    tail.add(open(name), 0);
    return drain(tail);
  }

  void zero_from(const std::string& name, uint64_t offset) {
    const uint64_t size = fs::file_size(path(name));
    fs::resize_file(path(name), offset);
    fs::resize_file(path(name), size);
  }

  Lines read_;
};

TEST_F(TailLossTest, a_source_is_opened_where_it_begins_and_ends_once_with_its_total) {
  append("x", "old\nnew\n");
  Tail tail(Stream::kFile, {}, kWaitNs);
  tail.add(open("x"), 4);
  at_ = 4;
  EXPECT_EQ(drain(tail), Lines{"new"});
  ASSERT_EQ(events(LedgerEvent::kOpened).size(), 1u);
  EXPECT_EQ(events_[0].start.bytes, 4u);
  tail.set_ended(true);
  append("x", "rest");
  EXPECT_EQ(drain(tail), Lines{"rest"});
  EXPECT_EQ(drain(tail), Lines{});
  ASSERT_EQ(events(LedgerEvent::kEnded).size(), 1u);
  EXPECT_EQ(events(LedgerEvent::kEnded)[0].end.bytes, 12u);
  // Across a restart it is not said again; what is written later ends anew.
  Tail again(Stream::kFile, tail.state(), kWaitNs);
  again.add(open("x"), 0);
  again.set_ended(true);
  EXPECT_EQ(drain(again), Lines{});
  EXPECT_EQ(events(LedgerEvent::kEnded).size(), 1u);
  append("x", "\nmore\n");
  EXPECT_EQ(drain(again), (Lines{"", "more"}));
  ASSERT_EQ(events(LedgerEvent::kEnded).size(), 2u);
  EXPECT_EQ(events(LedgerEvent::kEnded)[1].end.bytes, 18u);
}

TEST_F(TailLossTest, a_source_that_never_said_a_word_has_no_end_to_tell) {
  append("x", "");
  Tail tail(Stream::kFile, {}, kWaitNs);
  tail.add(open("x"), 0);
  tail.set_ended(true);
  EXPECT_EQ(drain(tail), Lines{});
  EXPECT_TRUE(events(LedgerEvent::kEnded).empty());
}

TEST_F(TailLossTest, a_generation_is_closed_with_its_final_size) {
  append("x", "12\n345\n");
  Tail tail(Stream::kFile, {}, kWaitNs);
  tail.add(open("x"), 0);
  fs::rename(path("x"), path("x.1"));
  append("x", "6\n");
  tail.add(open("x"), 0);
  EXPECT_EQ(drain(tail), (Lines{"12", "345", "6"}));
  const auto closed = events(LedgerEvent::kClosed);
  ASSERT_EQ(closed.size(), 1u);
  EXPECT_EQ(closed[0].start.bytes, 0u);
  EXPECT_EQ(closed[0].end.bytes, 7u);
  EXPECT_EQ(closed[0].generation, 0u);
}

TEST_F(TailLossTest, what_was_seen_of_a_truncated_file_is_a_range) {
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
  EXPECT_EQ(at_, 21u);
}

TEST_F(TailLossTest, the_unread_rest_of_a_truncated_file_is_read_from_its_copy) {
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
  tail.add_copy(open("x.1"));
  EXPECT_EQ(drain(tail), (Lines{"unread", "rest", "new"}));
  const auto lost = events(LedgerEvent::kLost);
  ASSERT_EQ(lost.size(), 1u);
  EXPECT_EQ(lost[0].start, lost[0].end);
  // After a restart or a rewind in the middle it is the same.
  const auto end = tail.state();
  for (int turn = 0; turn < 2; ++turn) {
    tail.rewind(state);
    at_ = state.covered.bytes;
    EXPECT_EQ(drain(tail), Lines{});
    ASSERT_TRUE(tail.take_copy_wish());
    tail.add_copy(open("x.1"));
    EXPECT_EQ(drain(tail), (Lines{"unread", "rest", "new"}));
    EXPECT_EQ(tail.state(), end);
  }
  tail.confirmed(end);
  append("x", "more\n");
  EXPECT_EQ(drain(tail), Lines{"more"});
}

TEST_F(TailLossTest, a_file_that_is_no_copy_is_not_read_as_one) {
  no_copies_ = false;
  append("x", "first\n");
  const auto state = read_all("x");
  append("x.1", "other\nlines that are longer\n");
  fs::resize_file(path("x"), 0);
  append("x", "new\n");
  Tail tail(Stream::kFile, state, kWaitNs, {1, 0});
  tail.add(open("x"), 0);
  EXPECT_EQ(drain(tail), Lines{});
  tail.add_copy(open("x.1"));
  EXPECT_EQ(drain(tail), Lines{"new"});
}

TEST_F(TailLossTest, a_truncated_file_whose_copy_nobody_looks_for_is_read_all_the_same) {
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

TEST_F(TailLossTest, the_state_knows_the_size_of_what_is_left_to_read) {
  append("x", "first\nan unfinished");
  EXPECT_EQ(read_all("x").seen_bytes, 19u);
}

TEST_F(TailLossTest, a_file_that_went_while_nobody_held_it_is_lost_as_far_as_it_was_seen) {
  append("x", "first\n");
  auto state = read_all("x");
  state.seen_bytes = 100;
  Tail tail(Stream::kFile, state, kWaitNs, {1, 0});
  tail.vanish();
  EXPECT_EQ(drain(tail), Lines{});
  ASSERT_EQ(events_.size(), 2u);
  EXPECT_EQ(events_[0].reason, "deleted");
  EXPECT_EQ(events_[0].start.bytes, 6u);
  EXPECT_EQ(events_[0].end.bytes, 100u);
  EXPECT_EQ(events_[1].event, LedgerEvent::kEnded);
  EXPECT_EQ(events_[1].end.bytes, 100u);
  // Until that is confirmed it can be said again, and then no more.
  tail.rewind(state);
  at_ = 6;
  EXPECT_EQ(drain(tail), Lines{});
  EXPECT_EQ(events_.size(), 4u);
  Tail later(Stream::kFile, tail.state(), kWaitNs, {1, 0});
  later.vanish();
  EXPECT_EQ(drain(later), Lines{});
  EXPECT_EQ(events_.size(), 4u);
  // Its file system was only not mounted: nothing of it is passed over.
  append("x", "second\n");
  EXPECT_EQ(resume(tail.state(), "x", 1), Lines{"second"});
  EXPECT_EQ(at_, 107u);
}

TEST_F(TailLossTest, a_file_made_anew_after_its_predecessor_vanished_is_read) {
  append("x", "first\n");
  auto state = read_all("x");
  state.seen_bytes = 100;
  append("y", "second\n");
  for (const bool said_before : {false, true}) {
    events_.clear();
    at_ = 6;
    Tail tail(Stream::kFile, state, kWaitNs, {1, 0});
    tail.vanish();
    if (said_before) drain(tail);
    tail.add(open("y"), 0);
    EXPECT_EQ(drain(tail), Lines{"second"}) << said_before;
    EXPECT_EQ(events(LedgerEvent::kLost)[0].start.bytes, 6u);
  }
}

TEST_F(TailLossTest, a_deleted_file_that_is_given_up_is_lost_to_its_end_and_let_go) {
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

TEST_F(TailLossTest, behind_a_file_that_is_given_up_its_successor_is_read) {
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

TEST_F(TailLossTest, an_unreadable_block_is_passed_over_after_a_minute) {
  // Unmapped memory, seen through /proc/self/mem, is a file with an unreadable place in it.
  const size_t page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  char* const memory = static_cast<char*>(
      ::mmap(nullptr, 4 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(memory, MAP_FAILED);
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

TEST_F(TailLossTest, after_a_power_loss_zeros_are_passed_over_and_nothing_comes_twice) {
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

TEST_F(TailLossTest, the_zeros_of_an_earlier_power_loss_are_not_those_of_the_next) {
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

TEST_F(TailLossTest, a_line_longer_than_a_window_is_read_after_a_reboot) {
  append("x", "shipped\n");
  const auto state = read_all("x");
  append("x", std::string(5 << 20, 'y') + "\nafter\n");
  const Lines lines = resume(state, "x", 2);
  size_t bytes = 0;
  for (const std::string& line : lines) bytes += line.size();
  EXPECT_EQ(bytes, (5u << 20) + 5);
  EXPECT_EQ(lines.back(), "after");
}

TEST_F(TailLossTest, a_power_loss_is_one_again_when_what_followed_was_not_delivered) {
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

TEST_F(TailLossTest, what_comes_twice_behind_zeros_that_were_shipped_is_named) {
  append("x", "");
  fs::resize_file(path("x"), 100);
  append("x", "\nfirst\nsecond\nthird\n");
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

TEST_F(TailLossTest, what_was_written_between_two_power_losses_is_read) {
  append("x", "first\nsecond\n" + std::string(200, 'x') + "\n");
  const auto state = read_all("x");
  fs::resize_file(path("x"), 0);
  append("x", "between\n");
  fs::resize_file(path("x"), 150);
  append("x", "after\n");
  EXPECT_EQ(resume(state, "x", 3), (Lines{"between", "after"}));
  EXPECT_EQ(events(LedgerEvent::kDoubt).size(), 1u);
}

TEST_F(TailLossTest, zeros_behind_the_position_are_no_lines_after_a_power_loss) {
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

TEST_F(TailLossTest, unread_bytes_that_a_power_loss_took_are_named) {
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

TEST_F(TailLossTest, after_a_power_loss_what_comes_twice_is_named) {
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

TEST_F(TailLossTest, within_one_boot_a_shorter_file_is_a_truncated_one) {
  append("x", "first\nsecond\n");
  const auto state = read_all("x");
  fs::resize_file(path("x"), 6);
  EXPECT_EQ(resume(state, "x", 1), Lines{"first"});
  EXPECT_EQ(events(LedgerEvent::kLost)[0].reason, "truncated");
}

TEST_F(TailLossTest, random_power_losses_double_nothing_that_is_not_named) {
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
