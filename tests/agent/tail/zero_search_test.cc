// Goal: however much there is to search after a power loss, a tail takes short turns, reaches the
// end, and ships nothing of a run of zeros.
// Method: real files with holes and zeros; the kernel counts what each turn reads.

#include "agent/tail/zero_search.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include "tests/fakes/tail_reader.h"

namespace longshore::agent {
namespace {

namespace fs = std::filesystem;
using fakes::kWaitNs;
using fakes::Lines;

class ZeroSearchTest : public testing::Test, protected fakes::TailReader {
 protected:
  // The state of a file that was read to its end in the boot before.
  checkpoint::SourceState shipped(const std::string& name) {
    Tail tail(Stream::kFile, {}, kWaitNs, {1, 0});
    tail.add(open(name), 0);
    drain(tail);
    events_.clear();
    return tail.state();
  }

  // As drain() does, but every turn reads little, and `each` comes after it.
  Lines drain_in_turns(Tail& tail, int turns_max, const std::function<void()>& each) {
    Lines lines;
    for (int turn = 0; turn < turns_max; ++turn) {
      const uint64_t before = bytes_read();
      const Lines more = drain(tail, 1);
      EXPECT_LT(bytes_read() - before, 4u << 20);
      lines.insert(lines.end(), more.begin(), more.end());
      if (drained_) return lines;
      each();
    }
    ADD_FAILURE() << "the tail never drains";
    return lines;
  }

  // By this thread, of any file (proc(5)).
  static uint64_t bytes_read() {
    std::ifstream io("/proc/thread-self/io");
    std::string name;
    uint64_t bytes = 0;
    io >> name >> bytes;
    EXPECT_EQ(name, "rchar:");
    return bytes;
  }
};

TEST_F(ZeroSearchTest, a_hole_of_a_tebibyte_is_passed_in_short_turns) {
  constexpr uint64_t kSize = uint64_t{1} << 40;
  append("x", "shipped\n");
  const auto state = shipped("x");
  append("x", "unread\n");
  fs::resize_file(path("x"), kSize);
  append("x", "after\n");
  Tail tail(Stream::kFile, state, kWaitNs, {2, 1});
  tail.add(open("x"), 0);
  EXPECT_EQ(drain_in_turns(tail, 20, [] {}), (Lines{"unread", "after"}));
  const auto lost = events(LedgerEvent::kLost);
  ASSERT_EQ(lost.size(), 1u);
  EXPECT_EQ(lost[0].reason, "power loss");
  EXPECT_EQ(lost[0].start.bytes, 15u);
  EXPECT_EQ(lost[0].end.bytes, kSize);
  EXPECT_EQ(tail.state().boot, 2u);
}

TEST_F(ZeroSearchTest, a_search_for_zeros_gets_to_its_end_though_every_turn_is_taken_back) {
  constexpr uint64_t kZeros = 24 << 20;
  // Behind the position; from before it to behind it.
  for (const uint64_t kept : {6u, 2u}) {
    SCOPED_TRACE(kept);
    const std::string name = kept == 6 ? "behind" : "before";
    at_ = 0;
    append(name, "1\n2\n3\n");
    const auto state = shipped(name);
    fs::resize_file(path(name), kept);
    append(name, std::string(kZeros, '\0') + "after\n");
    Tail tail(Stream::kFile, state, kWaitNs, {2, 1});
    tail.add(open(name), 0);
    const auto back = [&] {
      if (events_.empty()) tail.rewind(state);
    };
    EXPECT_EQ(drain_in_turns(tail, 60, back), Lines{"after"});
    ASSERT_EQ(events_.size(), 1u);
    EXPECT_EQ(events_[0].reason, "power loss");
    EXPECT_EQ(events_[0].start.bytes, 6u);
    EXPECT_EQ(events_[0].end.bytes, kept + kZeros);
  }
}

TEST_F(ZeroSearchTest, lines_are_read_while_a_search_for_zeros_goes_on) {
  append("x", "shipped\n");
  const auto state = shipped("x");
  append("x", "unread\n" + std::string(24 << 20, '\0'));
  Tail tail(Stream::kFile, state, kWaitNs, {2, 1});
  tail.add(open("x"), 0);
  EXPECT_EQ(drain(tail, 1), Lines{"unread"});
  EXPECT_EQ(drain(tail, 1), Lines{});
  EXPECT_FALSE(drained_);
  // A file that was as it should be, and then is not, was truncated: nobody lost power again.
  EXPECT_TRUE(events_.empty());
  fs::resize_file(path("x"), 0);
  append("x", "new\n");
  EXPECT_EQ(drain(tail), Lines{"new"});
  ASSERT_EQ(events_.size(), 1u);
  EXPECT_EQ(events_[0].reason, "truncated?");
}

}  // namespace
}  // namespace longshore::agent
