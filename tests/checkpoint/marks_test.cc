// Goal: marks prove exactly the prefix of a file that is unchanged since it was read, and nothing
// else.
// Method: named cases, then random files, feeds and damages compared with a naive model that
// compares bytes; the decoder gets every truncation, and random bytes.

#include "checkpoint/marks.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <random>

#include "config/fd.h"
#include "config/limits.h"
#include "tests/fakes/seed.h"

namespace longshore::checkpoint {
namespace {

using limits::kMarksMax;
using limits::kMarkSpanBytes;

std::string random_bytes(std::mt19937_64& random, size_t count) {
  std::string bytes(count, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

// A file in memory, for pread.
class File {
 public:
  explicit File(const std::string& bytes) : fd_(::memfd_create("marks", MFD_CLOEXEC)) {
    const ssize_t put = ::write(fd_.get(), bytes.data(), bytes.size());
    EXPECT_EQ(put, static_cast<ssize_t>(bytes.size()));
  }
  uint64_t proven(const MarkList& list) const {
    const auto proven = proven_prefix(fd_.get(), list);
    EXPECT_TRUE(proven);
    return proven.value();
  }

 private:
  Fd fd_;
};

MarkList marks_of(const std::string& bytes) {
  Marker marker;
  marker.add(bytes);
  return marker.list();
}

void expect_well_formed(const MarkList& list) {
  uint64_t before = list.begin;
  for (const Mark& mark : list.marks) {
    EXPECT_GT(mark.end, before);
    EXPECT_LE(mark.end - before, kMarkSpanBytes);
    before = mark.end;
  }
  EXPECT_LE(list.marks.size(), kMarksMax);
}

TEST(Marks, an_empty_list_proves_its_beginning) {
  const File file("something");
  EXPECT_EQ(file.proven(MarkList{}), 0u);
  EXPECT_EQ(file.proven(MarkList{.begin = 5, .marks = {}}), 5u);
}

TEST(Marks, an_unchanged_file_is_proven_to_its_position) {
  const std::string bytes(3 * kMarkSpanBytes + 100, 'a');
  EXPECT_EQ(File(bytes).proven(marks_of(bytes)), bytes.size());
  EXPECT_EQ(File(bytes + "later bytes").proven(marks_of(bytes)), bytes.size());
}

TEST(Marks, a_changed_byte_ends_the_proof) {
  std::string bytes(3 * kMarkSpanBytes + 100, 'a');
  const MarkList list = marks_of(bytes);
  bytes[kMarkSpanBytes + 7] = 'b';
  EXPECT_EQ(File(bytes).proven(list), kMarkSpanBytes);
  bytes[0] = 'b';
  EXPECT_EQ(File(bytes).proven(list), 0u);
}

TEST(Marks, a_file_that_lost_its_end_is_proven_to_the_last_whole_span) {
  const std::string bytes(2 * kMarkSpanBytes + 100, 'a');
  const MarkList list = marks_of(bytes);
  EXPECT_EQ(File(bytes.substr(0, bytes.size() - 1)).proven(list), 2 * kMarkSpanBytes);
  EXPECT_EQ(File("").proven(list), 0u);
}

TEST(Marks, listing_does_not_close_the_open_span) {
  Marker marker;
  for (size_t i = 0; i < kMarkSpanBytes; ++i) {
    marker.add("x");
    ASSERT_EQ(marker.list().marks.size(), 1u);
  }
  EXPECT_EQ(marker.list().marks.size(), 1u);
  marker.add("x");
  EXPECT_EQ(marker.list().marks.size(), 2u);
}

TEST(Marks, only_the_last_16_mib_are_kept) {
  const std::string span(kMarkSpanBytes, 'a');
  Marker marker;
  for (size_t i = 0; i < kMarksMax + 10; ++i) marker.add(span);
  marker.add("tail");
  const MarkList list = marker.list();
  EXPECT_EQ(list.marks.size(), kMarksMax);
  EXPECT_EQ(list.end(), (kMarksMax + 10) * kMarkSpanBytes + 4);
  EXPECT_EQ(list.begin, 11 * kMarkSpanBytes);
  expect_well_formed(list);
}

TEST(Marks, a_copy_goes_on_by_itself) {
  Marker marker;
  marker.add("one ");
  Marker copy = marker;
  marker.add("two");
  copy.add("2");
  EXPECT_EQ(marker.list(), marks_of("one two"));
  EXPECT_EQ(copy.list(), marks_of("one 2"));
  copy = marker;
  copy.add("!");
  EXPECT_EQ(copy.list(), marks_of("one two!"));
  EXPECT_EQ(marker.list(), marks_of("one two"));
}

TEST(Marks, little_by_little_is_as_all_at_once) {
  std::mt19937_64 random(7);
  const std::string bytes = random_bytes(random, 600);
  Marker marker;
  for (size_t end = 1; end <= bytes.size(); ++end) {
    marker.add(std::string_view(bytes).substr(end - 1, 1));
    const Marker copy = marker;
    ASSERT_EQ(copy.list(), marks_of(bytes.substr(0, end))) << end;
    ASSERT_EQ(File(bytes.substr(0, end)).proven(copy.list()), end);
  }
}

TEST(Marks, reset_forgets_what_was_before) {
  Marker marker;
  marker.add("of an older file");
  marker.reset(7);
  EXPECT_EQ(marker.list(), (MarkList{.begin = 7, .marks = {}}));
  marker.add("abc");
  EXPECT_EQ(marker.end(), 10u);
  EXPECT_EQ(File("1234567abc").proven(marker.list()), 10u);
}

TEST(Marks, a_file_that_cannot_be_read_is_an_error_not_a_change) {
  const MarkList list = marks_of("abc");
  const auto proven = proven_prefix(-1, list);
  ASSERT_FALSE(proven);
  EXPECT_EQ(proven.error().code, ErrorCode::kRetryable);
}

// The naive model: the end of the last span whose bytes are all as they were.
uint64_t naive_prefix(const MarkList& list, const std::string& before, const std::string& now) {
  uint64_t proven = list.begin;
  for (const Mark& mark : list.marks) {
    if (now.size() < mark.end) break;
    if (before.compare(proven, mark.end - proven, now, proven, mark.end - proven) != 0) break;
    proven = mark.end;
  }
  return proven;
}

TEST(Marks, random_feeds_and_damages_agree_with_comparing_bytes) {
  const uint64_t seed = fakes::seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  int partly_proven = 0;
  for (int round = 0; round < 200; ++round) {
    const std::string bytes = random_bytes(random, random() % (6 * kMarkSpanBytes));
    const size_t start = random() % (bytes.size() + 1);
    Marker marker;
    marker.reset(start);
    for (size_t at = start; at < bytes.size();) {
      const size_t take = std::min<size_t>(bytes.size() - at, 1 + random() % (2 * kMarkSpanBytes));
      marker.add(std::string_view(bytes).substr(at, take));
      at += take;
      // A restart: what was stored is all that is left.
      if (random() % 4 == 0) {
        const auto stored = MarkList::decode(marker.list().encode());
        ASSERT_TRUE(stored);
        marker = Marker(stored.value());
      }
    }
    const MarkList list = marker.list();
    ASSERT_EQ(marker.end(), bytes.size());
    ASSERT_EQ(list.end(), bytes.size());
    expect_well_formed(list);
    std::string now = bytes;
    if (!now.empty() && random() % 2 == 0) now[random() % now.size()] ^= 1;
    if (random() % 3 == 0) now.resize(random() % (now.size() + 1));
    const uint64_t expected = naive_prefix(list, bytes, now);
    ASSERT_EQ(File(now).proven(list), expected);
    if (expected > list.begin && expected < list.end()) ++partly_proven;
  }
  EXPECT_GT(partly_proven, 10);
}

TEST(Marks, stored_marks_come_back_as_they_were) {
  const MarkList list = marks_of(std::string(3 * kMarkSpanBytes + 1, 'z'));
  EXPECT_EQ(list.encode().size(), 8 + 16 * list.marks.size());
  EXPECT_EQ(MarkList::decode(list.encode()).value(), list);
  EXPECT_EQ(MarkList::decode("").value(), MarkList{});
}

TEST(Marks, bytes_that_are_not_marks_are_refused) {
  const std::string whole = marks_of(std::string(2 * kMarkSpanBytes, 'z')).encode();
  int refused = 0;
  for (size_t size = 1; size < whole.size(); ++size) {
    const auto decoded = MarkList::decode(whole.substr(0, size));
    if (size % 16 == 8) {
      EXPECT_TRUE(decoded);
      continue;
    }
    ASSERT_FALSE(decoded) << size;
    EXPECT_EQ(decoded.error().code, ErrorCode::kCorrupt);
    ++refused;
  }
  EXPECT_GT(refused, 30);
}

TEST(Marks, spans_that_do_not_meet_in_order_are_refused) {
  const auto refused = [](const MarkList& list) {
    const auto decoded = MarkList::decode(list.encode());
    return !decoded && decoded.error().code == ErrorCode::kCorrupt;
  };
  EXPECT_TRUE(refused({.begin = 10, .marks = {{.end = 10, .hash = 1}}}));
  EXPECT_TRUE(refused({.begin = 10, .marks = {{.end = 9, .hash = 1}}}));
  EXPECT_TRUE(refused({.begin = 0, .marks = {{.end = kMarkSpanBytes + 1, .hash = 1}}}));
  EXPECT_TRUE(refused({.begin = 0, .marks = {{.end = 5, .hash = 1}, {.end = 5, .hash = 2}}}));
  MarkList long_list{.begin = 0, .marks = {}};
  for (uint64_t i = 0; i <= kMarksMax; ++i) long_list.marks.push_back({.end = i + 1, .hash = i});
  EXPECT_TRUE(refused(long_list));
}

TEST(Marks, random_bytes_never_decode_to_something_malformed) {
  std::mt19937_64 random(20);
  int accepted = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = random_bytes(random, 8 + 16 * (random() % 3));
    // Small numbers, so that some are well-formed.
    for (size_t i = 0; i < bytes.size(); ++i) {
      if (i % 8 > 1) bytes[i] = '\0';
    }
    const auto decoded = MarkList::decode(bytes);
    if (!decoded) continue;
    expect_well_formed(decoded.value());
    EXPECT_EQ(decoded.value().encode(), bytes);
    ++accepted;
  }
  EXPECT_GT(accepted, 100);
}

}  // namespace
}  // namespace longshore::checkpoint
