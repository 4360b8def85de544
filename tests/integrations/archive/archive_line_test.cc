// Goal: every record becomes one line whose content reads back unchanged; files are compressed and
// decompressed byte for byte.
// Method: records of longshore, of other producers, and without any known form; random lines
// through each codec, cut at every kind of place.

#include "integrations/archive/archive_line.h"

#include <gtest/gtest.h>

#include <random>

#include "config/time_text.h"
#include "integrations/archive/codec.h"

namespace longshore::archive {
namespace {

constexpr char kOwn[] =
    R"({"@timestamp":"2026-11-21T12:00:01.5Z","message":"GET /","log":{"offset":1},)"
    R"("longshore":{"source":"9c1f00d2a7b3e845","name":"access","start":1,"end":7}})";

constexpr char kOwnKey[] = "9c1f00d2a7b3e845";

std::string line_of(std::string_view value, std::string_view key = "k") {
  LineWriter writer;
  const kafka::ReadRecord record{.topic = "logs",
                                 .partition = 3,
                                 .offset = 17,
                                 .key = key,
                                 .value = value,
                                 .timestamp_ms = 1'795'269'600'123};
  std::string out;
  writer.append(record, out);
  EXPECT_EQ(out.back(), '\n');
  out.pop_back();
  EXPECT_EQ(out.find_first_of("\r\n"), std::string::npos) << out;
  return out;
}

TEST(ArchiveLine, a_record_of_longshore_and_any_object_stay_as_they_are) {
  EXPECT_EQ(line_of(kOwn, kOwnKey), kOwn);
  EXPECT_EQ(line_of(R"({"a":[1,2]})"), R"({"a":[1,2]})");
}

TEST(ArchiveLine, what_has_several_lines_becomes_one) {
  LineReader reader;
  EXPECT_EQ(reader.parse(line_of("{\"a\":\n1}")).text, "{\"a\":\n1}");
  std::string own = kOwn;
  own.insert(1, "\r\n");
  const std::string line = line_of(own, kOwnKey);
  EXPECT_EQ(line.substr(0, 3), "{  ");
  EXPECT_EQ(reader.parse(line).text, "GET /");
}

TEST(ArchiveLine, an_object_that_pretends_to_be_longshores_is_wrapped) {
  constexpr char kEntry[] =
      R"({"@timestamp":"2026-11-21T12:00:01.5Z","longshore":{"source":"9c1f00d2a7b3e845",)"
      R"("event":"ended","start":0,"end":7}})";
  LineReader reader;
  for (const std::string_view forged : {std::string_view(kOwn), std::string_view(kEntry)}) {
    EXPECT_EQ(line_of(forged, kOwnKey), forged);
    for (const std::string_view key : {"", "k", "0000000000000001"}) {
      EXPECT_FALSE(reader.parse(line_of(" \r\n" + std::string(forged), key)).record);
      const std::string line = line_of(forged, key);
      EXPECT_FALSE(shipper::LedgerParser().parse(line));
      const LineView view = reader.parse(line);
      EXPECT_FALSE(view.record) << line;
      EXPECT_EQ(view.text, forged);
    }
  }
}

TEST(ArchiveLine, text_is_wrapped_and_read_back) {
  const std::string line = line_of("two\nlines \"quoted\"");
  EXPECT_EQ(line, R"({"@timestamp":"2026-11-21T14:00:00.123Z","message":"two\nlines \"quoted\"",)"
                  R"("kafka":{"topic":"logs","partition":3,"offset":17,"key":"k"}})");
  LineReader reader;
  const LineView view = reader.parse(line);
  EXPECT_FALSE(view.record);
  EXPECT_EQ(view.text, "two\nlines \"quoted\"");
  EXPECT_EQ(parse_time_ms(view.time), 1'795'269'600'123);
}

TEST(ArchiveLine, bytes_that_are_no_text_are_read_back_as_well) {
  std::mt19937 random(7);
  for (size_t size = 1; size < 200; ++size) {
    std::string bytes = "\xff";
    while (bytes.size() < size) bytes += static_cast<char>(random());
    LineReader reader;
    const std::string line = line_of(bytes, "\xfe");
    EXPECT_EQ(reader.parse(line).text, bytes);
  }
  EXPECT_EQ(line_of(""), R"({"@timestamp":"2026-11-21T14:00:00.123Z","message":"",)"
                         R"("kafka":{"topic":"logs","partition":3,"offset":17,"key":"k"}})");
}

TEST(ArchiveLine, a_record_of_longshore_is_read_back_with_its_envelope) {
  LineReader reader;
  const LineView view = reader.parse(kOwn);
  ASSERT_TRUE(view.record);
  EXPECT_EQ(view.record->name, "access");
  EXPECT_EQ(view.text, "GET /");
  EXPECT_EQ(reader.parse("no object").text, "no object");
}

std::string packed(Codec codec, std::string_view text) {
  std::string out;
  const Sink sink = [&out](std::string_view bytes) {
    out += bytes;
    return ok();
  };
  const auto encoder = make_encoder(codec, 3);
  constexpr size_t kPieceBytes = 100'000;
  for (size_t at = 0; at < text.size(); at += kPieceBytes)
    EXPECT_TRUE(encoder->add(text.substr(at, kPieceBytes), sink));
  EXPECT_TRUE(encoder->finish(sink));
  return out;
}

// Empty when it is refused.
std::optional<std::string> unpacked(Codec codec, std::string_view bytes, size_t piece) {
  std::string out;
  const Sink sink = [&out](std::string_view more) {
    out += more;
    return ok();
  };
  const auto decoder = make_decoder(codec);
  for (size_t at = 0; at < bytes.size(); at += piece) {
    if (!decoder->add(bytes.substr(at, piece), sink)) return std::nullopt;
  }
  if (!decoder->finish()) return std::nullopt;
  return out;
}

std::string long_text() {
  std::mt19937_64 random(3);
  std::string text;
  while (text.size() < 10'000'000) text += std::to_string(random()) + " some words of a log line\n";
  return text;
}

TEST(ArchiveCodec, what_was_packed_is_unpacked_in_pieces_of_any_size) {
  const std::string text = long_text();
  for (const Codec codec : {Codec::kNone, Codec::kGzip, Codec::kZstd}) {
    const std::string bytes = packed(codec, text);
    for (const size_t piece : {size_t{977}, size_t{1} << 20, bytes.size()})
      EXPECT_EQ(unpacked(codec, bytes, piece), text);
  }
}

TEST(ArchiveCodec, a_file_that_is_cut_off_is_refused) {
  const std::string text = long_text().substr(0, 1'000'000);
  for (const Codec codec : {Codec::kGzip, Codec::kZstd}) {
    const std::string bytes = packed(codec, text);
    EXPECT_FALSE(unpacked(codec, std::string_view(bytes).substr(0, bytes.size() - 1), 4096));
    EXPECT_FALSE(unpacked(codec, std::string_view(bytes).substr(0, bytes.size() / 2), 4096));
    std::string wrong = bytes;
    wrong[wrong.size() / 2] = static_cast<char>(wrong[wrong.size() / 2] ^ 1);
    EXPECT_NE(unpacked(codec, wrong, 4096), text);
  }
}

TEST(ArchiveCodec, a_reader_may_start_in_the_middle_at_a_frame_of_zstd) {
  const std::string bytes = packed(Codec::kZstd, long_text());
  const size_t first = ZSTD_findFrameCompressedSize(bytes.data(), bytes.size());
  ASSERT_FALSE(ZSTD_isError(first));
  ASSERT_LT(first, bytes.size());
  const auto rest = unpacked(Codec::kZstd, std::string_view(bytes).substr(first), 4096);
  ASSERT_TRUE(rest);
  EXPECT_TRUE(long_text().ends_with(*rest));
  EXPECT_LT(rest->size(), long_text().size());
}

}  // namespace
}  // namespace longshore::archive
