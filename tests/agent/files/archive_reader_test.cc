// Goal: a compressed log reads as the file that it was, at any offset, in bounded pieces; what
// cannot be unpacked is told, after all that can.
// Method: texts packed by each format's own library in one and in several members, read in random
// steps and compared with the text; cut short, damaged, and bombs.

#include "agent/files/archive_reader.h"

#include <bzlib.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <fstream>
#include <random>

#include "config/limits.h"
#include "tests/fakes/packed.h"
#include "tests/fakes/seed.h"
#include "tests/fakes/temporary_dir.h"

namespace longshore::agent {
namespace {

using fakes::packed;

constexpr Compression kFormats[] = {Compression::kGzip, Compression::kZstd, Compression::kXz,
                                    Compression::kBzip2};

std::string log_text(size_t bytes, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string text;
  while (text.size() < bytes) {
    text += "line " + std::to_string(random()) + std::string(random() % 60, 'x') + "\n";
  }
  return text;
}

class ArchiveReaderTest : public testing::Test {
 protected:
  std::shared_ptr<const OpenFile> file_of(Compression format, const std::string& bytes) {
    std::ofstream(path(), std::ios::trunc | std::ios::binary) << bytes;
    Fd fd(::open(path().c_str(), O_RDONLY | O_CLOEXEC));
    EXPECT_EQ(compression_of(std::string_view(bytes).substr(0, 6)), format);
    return std::make_shared<OpenFile>(
        OpenFile{.fd = std::move(fd), .identity = {}, .compression = format});
  }
  std::string path() const { return directory_.path() + "/log"; }

  // All of it, in steps of `step` bytes.
  static std::string read_all(ArchiveReader& reader, size_t step = 100'000) {
    std::string all;
    for (int turn = 0; turn < 100'000; ++turn) {
      const auto got = reader.read(all.size(), step);
      EXPECT_TRUE(got);
      all += *got;
      if (!reader.is_pending() && got->size() < step) return all;
    }
    ADD_FAILURE() << "it never ends";
    return all;
  }

  fakes::TemporaryDir directory_;
};

TEST_F(ArchiveReaderTest, each_format_reads_as_the_file_that_it_was) {
  for (const Compression format : kFormats) {
    const std::string text = log_text(700'000, 1);
    ArchiveReader reader(file_of(format, packed(format, text)));
    EXPECT_EQ(read_all(reader), text) << name_of(format);
    EXPECT_EQ(reader.total(), text.size());
    EXPECT_EQ(reader.broken(), "");
  }
}

TEST_F(ArchiveReaderTest, members_in_a_row_are_one_log_and_padding_is_none) {
  for (const Compression format : kFormats) {
    const std::string text = log_text(100'000, 2);
    std::string file = packed(format, text) + packed(format, "") + packed(format, "last\n");
    if (format != Compression::kZstd) file += std::string(1024, '\0');
    ArchiveReader reader(file_of(format, file));
    EXPECT_EQ(read_all(reader), text + "last\n") << name_of(format);
    EXPECT_EQ(reader.total(), text.size() + 5) << name_of(format) << reader.broken();
  }
}

TEST_F(ArchiveReaderTest, any_offset_gives_the_text_there) {
  std::mt19937_64 random(fakes::seed());
  for (const Compression format : kFormats) {
    const std::string text = log_text(1 + random() % 3'000'000, random());
    ArchiveReader reader(file_of(format, packed(format, text)));
    uint64_t offset = 0;
    for (int i = 0; i < 40; ++i) {
      const size_t bytes = 1 + random() % 300'000;
      if (random() % 8 == 0) offset = random() % text.size();
      auto got = reader.read(offset, bytes);
      while (got && reader.is_pending()) got = reader.read(offset, bytes);
      ASSERT_TRUE(got);
      EXPECT_TRUE(*got == std::string_view(text).substr(std::min(offset, text.size()), bytes));
      offset = std::min<uint64_t>(offset + random() % (bytes + 1), text.size());
    }
  }
}

TEST_F(ArchiveReaderTest, what_is_passed_over_is_passed_in_bounded_pieces) {
  const std::string text(40 << 20, 'a');
  ArchiveReader reader(file_of(Compression::kZstd, packed(Compression::kZstd, text)));
  int turns = 0;
  do {
    ASSERT_TRUE(reader.read(text.size() - 10, 10));
    ++turns;
  } while (reader.is_pending());
  EXPECT_GE(turns, 9);
  EXPECT_LE(turns, 12);
}

TEST_F(ArchiveReaderTest, a_file_that_is_cut_short_gives_what_it_has_and_goes_on_when_it_grows) {
  for (const Compression format : kFormats) {
    const std::string text = log_text(2'000'000, 3), file = packed(format, text);
    auto open = file_of(format, file.substr(0, file.size() / 2));
    ArchiveReader reader(open);
    const std::string half = read_all(reader);
    EXPECT_TRUE(text.starts_with(half)) << name_of(format);
    EXPECT_TRUE(reader.is_cut_short());
    EXPECT_NE(reader.broken().find("cut short"), std::string::npos) << reader.broken();
    EXPECT_FALSE(reader.total());
    std::ofstream(path(), std::ios::app | std::ios::binary) << file.substr(file.size() / 2);
    reader.try_again();
    EXPECT_EQ(read_all(reader), text) << name_of(format);
    EXPECT_EQ(reader.total(), text.size());
  }
}

TEST_F(ArchiveReaderTest, a_damaged_file_gives_what_comes_before_the_damage) {
  for (const Compression format : kFormats) {
    const std::string text = log_text(4'000'000, 4);
    std::string file = packed(format, text);
    for (size_t at = file.size() * 3 / 4; at < file.size() * 3 / 4 + 64; ++at) file[at] ^= 0x55;
    ArchiveReader reader(file_of(format, file));
    const std::string some = read_all(reader);
    EXPECT_FALSE(reader.total()) << name_of(format);
    EXPECT_NE(reader.broken(), "") << name_of(format);
    EXPECT_LT(some.size(), text.size());
  }
}

TEST_F(ArchiveReaderTest, a_bomb_is_read_up_to_the_limit) {
  const std::string piece = packed(Compression::kZstd, std::string(256 << 20, '\0'));
  std::string file;
  for (int i = 0; i < 6; ++i) file += piece;
  ArchiveReader reader(file_of(Compression::kZstd, file));
  uint64_t offset = limits::kUnpackedFreeBytes + (100 << 20);
  do {
    ASSERT_TRUE(reader.read(offset, 10));
  } while (reader.is_pending());
  EXPECT_NE(reader.broken().find("more than a log may"), std::string::npos) << reader.broken();
}

TEST_F(ArchiveReaderTest, a_window_that_takes_too_much_memory_is_refused) {
  for (const Compression format : {Compression::kZstd, Compression::kXz}) {
    ArchiveReader reader(file_of(format, fakes::packed_with_a_huge_window(format)));
    EXPECT_EQ(read_all(reader), "");
    EXPECT_NE(reader.broken().find("more memory"), std::string::npos) << reader.broken();
  }
}

TEST_F(ArchiveReaderTest, random_bytes_after_a_head_end_in_words) {
  std::mt19937_64 random(fakes::seed());
  for (int round = 0; round < 200; ++round) {
    const Compression format = kFormats[round % 4];
    std::string file = packed(format, log_text(1000, random()));
    for (int i = 0; i < 3; ++i)
      file[6 + random() % (file.size() - 6)] = static_cast<char>(random());
    ArchiveReader reader(file_of(format, file));
    read_all(reader);
    EXPECT_TRUE(reader.total().has_value() || !reader.broken().empty());
  }
}

}  // namespace
}  // namespace longshore::agent
