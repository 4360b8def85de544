// Goal: whatever moves a cursor, its positions, its overlap and its marks move together, positions
// never go back, and a rewind restores everything.
// Method: each move once with its numbers; then random moves compared with the bytes of a file in
// memory.

#include "agent/tail/cursor.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "config/limits.h"

namespace longshore::agent {
namespace {

constexpr checkpoint::FileIdentity kFirst{.device = 1, .inode = 1, .birth_ns = 1};
constexpr checkpoint::FileIdentity kSecond{.device = 1, .inode = 2, .birth_ns = 2};

std::string overlap_of(const std::string& file, uint64_t offset) {
  const size_t size = std::min<uint64_t>(offset, limits::kOverlapBytes);
  return file.substr(offset - size, size);
}

Proof proof_of(const std::string& file, uint64_t offset) {
  checkpoint::Marker marker;
  marker.add(std::string_view(file).substr(0, offset));
  return {overlap_of(file, offset), std::move(marker)};
}

// As a decoder does, with one record that ends at `to`.
void advance(Cursor& cursor, const std::string& file, uint64_t to) {
  const uint64_t begin = cursor.offset() - cursor.overlap().size();
  const Position base = cursor.base();
  cursor.advance(std::string_view(file).substr(begin, to - begin),
                 {.offset = to, .covered = {base.bytes + to}, .part = 0});
}

Cursor started(const std::string& file, uint64_t offset) {
  Cursor cursor{checkpoint::SourceState{}};
  cursor.start(kFirst, offset, overlap_of(file, offset), 7);
  return cursor;
}

TEST(Cursor, a_start_in_the_middle_counts_positions_from_the_beginning) {
  const std::string file(100, 'x');
  Cursor cursor = started(file, 80);
  EXPECT_TRUE(cursor.begun());
  EXPECT_EQ(cursor.covered().bytes, 80u);
  EXPECT_EQ(cursor.overlap().size(), limits::kOverlapBytes);
  EXPECT_EQ(cursor.marks().begin, 80 - limits::kOverlapBytes);
  EXPECT_EQ(cursor.marks().end(), 80u);
  EXPECT_EQ(cursor.boot(), 7u);
}

TEST(Cursor, a_short_file_that_was_read_in_two_lives_has_a_known_end_once_its_head_is_known) {
  const std::string file(100, 'x');
  Cursor first = started(file, 0);
  advance(first, file, 60);
  Cursor second(first.state());
  advance(second, file, 100);
  EXPECT_EQ(second.end(), checkpoint::ClosedEnd{});
  second.set_head(checkpoint::content_hash(file));
  EXPECT_EQ(second.end(), (checkpoint::ClosedEnd{100, checkpoint::content_hash(file),
                                                 checkpoint::content_hash(overlap_of(file, 100))}));
  // Of a longer file it is another one.
  advance(second, file + "y", 101);
  EXPECT_EQ(second.end(), checkpoint::ClosedEnd{});
}

TEST(Cursor, a_skip_of_known_length_is_a_range_from_the_last_record_on) {
  const std::string file(100, 'x');
  Cursor cursor = started(file, 0);
  advance(cursor, file, 10);
  const Range lost = cursor.skip(40);
  EXPECT_EQ(lost.start.bytes, 10u);
  EXPECT_EQ(lost.end.bytes, 40u);
  EXPECT_EQ(cursor.covered(), lost.end);
  EXPECT_TRUE(cursor.gap_pending());
  EXPECT_EQ(cursor.overlap(), "");
  EXPECT_EQ(cursor.marks().end(), 40u);
}

TEST(Cursor, an_unread_rest_moves_positions_and_leaves_the_offset) {
  const std::string file(100, 'x');
  Cursor cursor = started(file, 0);
  advance(cursor, file, 10);
  cursor.set_seen_bytes(25);
  const Range lost = cursor.lose_unread();
  EXPECT_EQ(lost.start.bytes, 10u);
  EXPECT_EQ(lost.end.bytes, 25u);
  EXPECT_EQ(cursor.offset(), 10u);
  EXPECT_EQ(cursor.position().bytes, 25u);
  EXPECT_EQ(cursor.overlap().size(), 10u);
  // What is lost is said once; what is not known has no length.
  const Range again = cursor.lose_unread();
  EXPECT_EQ(again.start, again.end);
  EXPECT_EQ(cursor.position().bytes, 25u);
}

TEST(Cursor, the_next_generation_begins_where_the_last_one_ended) {
  const std::string file(100, 'x');
  Cursor cursor = started(file, 0);
  advance(cursor, file, 100);
  cursor.next_generation(kSecond);
  EXPECT_EQ(cursor.generation(), 1u);
  EXPECT_EQ(cursor.file(), kSecond);
  EXPECT_EQ(cursor.closed(), std::vector{kFirst});
  EXPECT_EQ(cursor.base().bytes, 100u);
  EXPECT_EQ(cursor.offset(), 0u);
  cursor.restart_file(30);
  EXPECT_EQ(cursor.generation(), 2u);
  EXPECT_EQ(cursor.file(), kSecond);
  EXPECT_EQ(cursor.position().bytes, 130u);
  EXPECT_EQ(cursor.covered().bytes, 100u);
}

TEST(Cursor, a_copy_and_its_original_have_the_same_place) {
  const std::string file(100, 'x');
  Cursor cursor = started(file, 0);
  advance(cursor, file, 50);
  cursor.move_to_copy(kSecond);
  EXPECT_TRUE(cursor.closed().empty());
  cursor.move_to_original(kFirst);
  EXPECT_EQ(cursor.closed(), std::vector{kSecond});
  EXPECT_EQ(cursor.generation(), 0u);
  EXPECT_EQ(cursor.offset(), 50u);
  EXPECT_EQ(cursor.marks().end(), 50u);
}

TEST(Cursor, what_is_read_again_gets_new_positions) {
  const std::string file(100, 'x');
  Cursor cursor = started(file, 0);
  advance(cursor, file, 60);
  cursor.resume_at(20, proof_of(file, 20));
  EXPECT_EQ(cursor.offset(), 20u);
  EXPECT_EQ(cursor.position().bytes, 60u);
  EXPECT_EQ(cursor.covered().bytes, 60u);
  cursor.resume_at(80, proof_of(file, 80));
  EXPECT_EQ(cursor.position().bytes, 120u);
}

TEST(Cursor, a_state_that_does_not_fit_together_proves_nothing) {
  checkpoint::SourceState state;
  state.file = kFirst;
  state.offset = 10;
  state.covered = {99};
  state.tail = std::string(20, 'x');
  state.marks = {.begin = 3, .marks = {{5, 1}}};
  const Cursor cursor(state);
  EXPECT_EQ(cursor.marks(), (checkpoint::MarkList{10, {}}));
  EXPECT_EQ(cursor.overlap(), "");
  EXPECT_EQ(cursor.covered().bytes, 10u);
}

TEST(Cursor, random_moves_keep_it_whole_and_a_rewind_restores_it) {
  size_t moves = 0, rewinds = 0;
  for (unsigned seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    std::string file(200'000, '\0');
    for (char& byte : file) byte = static_cast<char>(random());
    Cursor cursor = started(file, random() % 1000);
    checkpoint::SourceState saved = cursor.state();
    for (int step = 0; step < 200; ++step, ++moves) {
      const uint64_t before = cursor.position().bytes;
      const uint64_t left = file.size() - cursor.offset();
      const uint64_t some = left == 0 ? 0 : 1 + random() % std::min<uint64_t>(left, 70'000);
      switch (random() % 8) {
        case 0:
          if (some > 0) cursor.skip(cursor.offset() + some);
          break;
        case 1:
          cursor.set_seen_bytes(random() % file.size());
          cursor.lose_unread();
          break;
        case 2:
          cursor.resume_at(cursor.offset() / 2, proof_of(file, cursor.offset() / 2));
          break;
        case 3:
          cursor.next_generation(random() % 2 == 0 ? kFirst : kSecond);
          break;
        case 4:
          cursor.restart_file(random() % 5000);
          break;
        case 5:
          saved = cursor.state();
          break;
        case 6:
          cursor.rewind(saved);
          ASSERT_EQ(cursor.state(), saved);
          ++rewinds;
          continue;
        default:
          if (some > 0) advance(cursor, file, cursor.offset() + some);
      }
      ASSERT_GE(cursor.position().bytes, before);
      ASSERT_LE(cursor.covered(), cursor.position());
      ASSERT_EQ(cursor.marks().end(), cursor.offset());
      const std::string& overlap = cursor.overlap();
      ASSERT_EQ(overlap, file.substr(cursor.offset() - overlap.size(), overlap.size()));
      ASSERT_LE(cursor.closed().size(), limits::kClosedGenerationsMax);
    }
  }
  EXPECT_EQ(moves, 10'000u);
  EXPECT_GT(rewinds, 500u);
}

}  // namespace
}  // namespace longshore::agent
