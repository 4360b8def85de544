// Goal: a tail reads every byte of a source once and in order, through rotations, restarts and
// rewinds, and tells the ledger where generations begin and end.
// Method: real files in a temporary directory; named cases, then random writers against the
// expected lines.

#include "agent/tail/tail.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <random>

#include "config/limits.h"
#include "tests/fakes/tail_reader.h"

namespace longshore::agent {
namespace {

namespace fs = std::filesystem;
using checkpoint::SourceEvent;
using fakes::kWaitNs;
using fakes::Lines;

class TailTest : public testing::Test, protected fakes::TailReader {};

TEST_F(TailTest, what_is_appended_comes_once) {
  append("x", "a\nb\n");
  Tail tail(Stream::kFile, {}, kWaitNs);
  tail.add(open("x"), 0);
  EXPECT_EQ(drain(tail), (Lines{"a", "b"}));
  EXPECT_EQ(drain(tail), Lines{});
  append("x", "c");
  EXPECT_EQ(drain(tail), Lines{});
  append("x", "d\n");
  EXPECT_EQ(drain(tail), Lines{"cd"});
}

TEST_F(TailTest, it_begins_where_it_is_told_and_after_a_restart_where_it_stood) {
  append("x", "old\nnew\n");
  Tail tail(Stream::kFile, {}, kWaitNs);
  tail.add(open("x"), 4);
  at_ = 4;
  EXPECT_EQ(drain(tail), Lines{"new"});
  append("x", "more\n");
  Tail restarted(Stream::kFile, tail.state(), kWaitNs);
  restarted.add(open("x"), 0);
  EXPECT_EQ(drain(restarted), Lines{"more"});
}

TEST_F(TailTest, little_is_read_into_little_memory) {
  append("x", "one\n");
  Tail tail(Stream::kFile, {}, kWaitNs);
  tail.add(open("x"), 0);
  shipper::Chunk chunk;
  shipper::RecordEncoder encoder({.source = {7}, .name = "n", .path = "/p", .host_name = "h"});
  ASSERT_EQ(tail.fill(chunk, encoder, now_ns_, now_ns_).value(), FillOutcome::kRecords);
  EXPECT_LT(chunk.memory_bytes(), 4096u);
  EXPECT_EQ(tail.read_last_bytes(), 4u);
}

TEST_F(TailTest, rotations_in_a_row_are_read_oldest_first_and_each_to_its_end) {
  append("x", "1\n");
  Tail tail(Stream::kFile, {}, kWaitNs);
  tail.add(open("x"), 0);
  EXPECT_EQ(drain(tail), Lines{"1"});
  append("x", "2\nrest");
  for (int i = 0; i < 3; ++i) {
    fs::rename(path("x"), path("x." + std::to_string(i)));
    append("x", "gen" + std::to_string(i) + "\n");
    tail.add(open("x"), 0);
  }
  EXPECT_EQ(drain(tail), (Lines{"2", "rest", "gen0", "gen1", "gen2"}));
  EXPECT_EQ(tail.state().generation, 3u);
  EXPECT_EQ(tail.state().closed.size(), 3u);
}

TEST_F(TailTest, a_rotated_file_with_a_writer_is_kept_until_it_is_quiet) {
  append("x", "1\n");
  Tail tail(Stream::kFile, {}, kWaitNs);
  tail.add(open("x"), 0);
  EXPECT_EQ(drain(tail), Lines{"1"});
  std::ofstream writer(path("x"), std::ios::app | std::ios::binary);
  fs::rename(path("x"), path("x.1"));
  append("x", "next\n");
  tail.add(open("x"), 0);
  EXPECT_EQ(drain(tail), Lines{});
  EXPECT_GT(tail.recheck_at_ns(), now_ns_);
  writer << "late\n" << std::flush;
  EXPECT_EQ(drain(tail), Lines{"late"});
  now_ns_ += kWaitNs - 1;
  EXPECT_EQ(drain(tail), Lines{});
  now_ns_ += 1;
  EXPECT_EQ(drain(tail), Lines{"next"});
}

TEST_F(TailTest, a_deleted_file_is_read_to_its_end) {
  append("x", "1\n2\n");
  Tail tail(Stream::kFile, {}, kWaitNs);
  tail.add(open("x"), 0);
  fs::remove(path("x"));
  EXPECT_EQ(drain(tail), (Lines{"1", "2"}));
}

TEST_F(TailTest, a_writer_that_was_quiet_for_long_has_its_grace_after_the_rotation) {
  append("x", "1\n");
  std::ofstream writer(path("x"), std::ios::app);
  Tail tail(Stream::kFile, {}, kWaitNs);
  tail.add(open("x"), 0);
  EXPECT_EQ(drain(tail), Lines{"1"});
  now_ns_ += 100 * kWaitNs;
  append("y", "3\n");
  tail.add(open("y"), 0);
  EXPECT_EQ(drain(tail), Lines{});
  writer << "2\n" << std::flush;  // It has not heard of the rotation yet.
  now_ns_ += kWaitNs - 1;
  EXPECT_EQ(drain(tail), Lines{"2"});
  now_ns_ += kWaitNs;
  EXPECT_EQ(drain(tail), Lines{"3"});
}

TEST_F(TailTest, a_generation_that_vanished_unseen_is_a_flagged_gap) {
  append("x", "1\n");
  Tail tail(Stream::kFile, {}, kWaitNs);
  tail.add(open("x"), 0);
  EXPECT_EQ(drain(tail), Lines{"1"});
  fs::remove(path("x"));
  append("keep-the-inode-busy", "");
  append("x", "2\n");
  Tail restarted(Stream::kFile, tail.state(), kWaitNs);
  restarted.add(open("x"), 0);
  EXPECT_EQ(drain(restarted), Lines{"2"});
  EXPECT_EQ(flags_, "[\"gap_before\"]");
}

TEST_F(TailTest, files_that_a_state_in_doubt_had_closed_are_not_read_again_when_it_is_confirmed) {
  append("x", "closed\n");
  const auto first = open("x");
  Tail tail(Stream::kFile, {}, kWaitNs);
  tail.add(first, 0);
  EXPECT_EQ(drain(tail), Lines{"closed"});
  checkpoint::SourceState confirmed = tail.state();
  confirmed.closed.push_back(confirmed.file);
  confirmed.file = {.device = 1, .inode = 1, .birth_ns = 1};  // Gone meanwhile.
  confirmed.base = confirmed.covered;
  confirmed.offset = 0;
  confirmed.tail.clear();
  append("y", "next\n");
  tail.add(open("y"), 0);
  tail.confirmed(confirmed);
  tail.rewind(confirmed);
  EXPECT_EQ(drain(tail), Lines{"next"});
}

TEST_F(TailTest, files_older_than_all_that_is_remembered_were_read_long_ago) {
  append("x", "again\n");
  checkpoint::SourceState state;
  state.file = {.device = 1, .inode = 1, .birth_ns = INT64_MAX};
  state.closed.assign(limits::kClosedGenerationsMax, state.file);
  Tail tail(Stream::kFile, state, kWaitNs);
  tail.add(open("x"), 0);
  EXPECT_EQ(drain(tail), Lines{});
}

TEST_F(TailTest, an_ended_source_gives_its_unterminated_line_and_goes_on_when_it_is_revived) {
  append("x", "a\nend");
  Tail tail(Stream::kFile, {}, kWaitNs);
  tail.add(open("x"), 0);
  EXPECT_EQ(drain(tail), Lines{"a"});
  tail.ended(fs::file_size(path("x")));
  EXPECT_EQ(drain(tail), Lines{"end"});
  EXPECT_EQ(flags_, "[\"unterminated\"]");
  tail.apply(SourceEvent::kOpened);
  append("x", "again\n");
  EXPECT_EQ(drain(tail), Lines{"again"});
}

TEST_F(TailTest, a_rewind_reads_the_same_lines_again_through_rotations_and_deletions) {
  append("x", "1\n2\n");
  Tail tail(Stream::kFile, {}, kWaitNs);
  tail.add(open("x"), 0);
  const auto confirmed = tail.state();
  EXPECT_EQ(drain(tail).size(), 2u);
  fs::rename(path("x"), path("x.1"));
  append("x", "3\n");
  tail.add(open("x"), 0);
  EXPECT_EQ(drain(tail), Lines{"3"});
  fs::remove(path("x.1"));
  tail.rewind(confirmed);
  at_ = 0;
  EXPECT_EQ(drain(tail), (Lines{"1", "2", "3"}));
  tail.confirmed(tail.state());
  append("x", "4\n");
  EXPECT_EQ(drain(tail), Lines{"4"});
}

TEST_F(TailTest, a_source_is_opened_where_it_begins_and_ends_once_with_its_total) {
  append("x", "old\nnew\n");
  Tail tail(Stream::kFile, {}, kWaitNs);
  tail.add(open("x"), 4);
  at_ = 4;
  EXPECT_EQ(drain(tail), Lines{"new"});
  ASSERT_EQ(events(LedgerEvent::kOpened).size(), 1u);
  EXPECT_EQ(events_[0].start.bytes, 4u);
  tail.ended(fs::file_size(path("x")));
  append("x", "rest");
  EXPECT_EQ(drain(tail), Lines{});  // Whoever wrote it may go on.
  now_ns_ = tail.recheck_at_ns();
  EXPECT_EQ(drain(tail), Lines{"rest"});
  EXPECT_EQ(drain(tail), Lines{});
  ASSERT_EQ(events(LedgerEvent::kEnded).size(), 1u);
  EXPECT_EQ(events(LedgerEvent::kEnded)[0].end.bytes, 12u);
  // Across a restart it is not said again; what is written later ends anew.
  Tail again(Stream::kFile, tail.state(), kWaitNs);
  again.add(open("x"), 0);
  again.ended(fs::file_size(path("x")));
  EXPECT_EQ(drain(again), Lines{});
  EXPECT_EQ(events(LedgerEvent::kEnded).size(), 1u);
  append("x", "\nmore\n");
  EXPECT_EQ(drain(again), (Lines{"", "more"}));
  ASSERT_EQ(events(LedgerEvent::kEnded).size(), 2u);
  EXPECT_EQ(events(LedgerEvent::kEnded)[1].end.bytes, 18u);
}

TEST_F(TailTest, a_source_that_never_said_a_word_has_no_end_to_tell) {
  append("x", "");
  Tail tail(Stream::kFile, {}, kWaitNs);
  tail.add(open("x"), 0);
  tail.ended(fs::file_size(path("x")));
  EXPECT_EQ(drain(tail), Lines{});
  EXPECT_TRUE(events(LedgerEvent::kEnded).empty());
}

TEST_F(TailTest, a_generation_is_closed_with_its_final_size) {
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

TEST_F(TailTest, the_state_knows_the_size_of_what_is_left_to_read) {
  append("x", "first\nan unfinished");
  EXPECT_EQ(read_all("x").seen_bytes, 19u);
}

TEST_F(TailTest, random_writers_rotations_restarts_and_rewinds_lose_and_repeat_nothing) {
  int rounds = 0;
  for (unsigned seed = 1; seed <= 40; ++seed, ++rounds) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const std::string name = "r" + std::to_string(seed);
    append(name, "");
    auto tail = std::make_unique<Tail>(Stream::kFile, checkpoint::SourceState{}, kWaitNs);
    std::vector<std::shared_ptr<const OpenFile>> files{open(name)};
    tail->add(files[0], 0);
    checkpoint::SourceState confirmed = tail->state();
    Lines expected, got, unconfirmed;
    uint64_t confirmed_at = 0;
    at_ = 0;
    const auto confirm = [&] {
      confirmed = tail->state();
      tail->confirmed(confirmed);
      confirmed_at = at_;
      got.insert(got.end(), unconfirmed.begin(), unconfirmed.end());
      unconfirmed.clear();
    };
    for (int step = 0; step < 120; ++step) {
      const auto what = random() % 10;
      if (what < 5) {
        std::string text;
        for (auto i = random() % 200; i > 0; --i) {
          expected.push_back("line " + std::to_string(expected.size()) +
                             std::string(random() % 300, 'x'));
          text += expected.back() + "\n";
        }
        append(name, text);
      } else if (what == 5) {
        fs::rename(path(name), path(name + "." + std::to_string(step)));
        append(name, "");
        files.push_back(open(name));
        tail->add(files.back(), 0);
      } else if (what == 6) {
        confirm();
      } else if (what == 7) {
        tail->rewind(confirmed);
        at_ = confirmed_at;
        unconfirmed.clear();
      } else if (what == 8) {
        // A restart: the watch loop opens the generation that was being read and those after it.
        tail = std::make_unique<Tail>(Stream::kFile, confirmed, kWaitNs);
        at_ = confirmed_at;
        unconfirmed.clear();
        bool from = confirmed.file == checkpoint::FileIdentity{};
        for (const auto& file : files) {
          from = from || file->identity == confirmed.file;
          if (from) tail->add(file, 0);
        }
      } else {
        const Lines lines = drain(*tail);
        unconfirmed.insert(unconfirmed.end(), lines.begin(), lines.end());
      }
    }
    const Lines lines = drain(*tail);
    unconfirmed.insert(unconfirmed.end(), lines.begin(), lines.end());
    confirm();
    ASSERT_EQ(got.size(), expected.size());
    ASSERT_EQ(got, expected);
  }
  EXPECT_EQ(rounds, 40);
}

}  // namespace
}  // namespace longshore::agent
