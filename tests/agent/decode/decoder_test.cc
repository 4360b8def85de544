// Goal: decoders find every line once, whatever the size of the windows that they get; the ranges
// of consecutive records meet exactly; a line of any length is delivered completely.
// Method: feed files in windows of every size through a real encoder and read the records back.

#include "agent/decode/decoder.h"

#include <gtest/gtest.h>
#include <simdjson.h>

#include <random>
#include <string>
#include <vector>

#include "agent/decode/container_log.h"
#include "config/limits.h"

namespace longshore::agent {
namespace {

struct Record {
  std::string message;
  uint64_t start = 0, end = 0, offset = 0;
  int64_t part = -1;
  bool last_part = false;
  std::string flags;
};

std::vector<Record> records_of(const shipper::Chunk& chunk) {
  std::vector<Record> records;
  simdjson::dom::parser parser;
  for (const rd_kafka_message_t& message : chunk.messages) {
    const simdjson::padded_string json(static_cast<const char*>(message.payload), message.len);
    const simdjson::dom::element root = parser.parse(json);
    const simdjson::dom::element ours = root["longshore"];
    Record record;
    record.message = std::string(std::string_view(root["message"]));
    record.start = ours["start"];
    record.end = ours["end"];
    record.offset = root["log"]["offset"];
    int64_t part = 0;
    if (ours["part"].get(part) == simdjson::SUCCESS) record.part = part;
    record.last_part = ours["last_part"].error() == simdjson::SUCCESS;
    if (ours["flags"].error() == simdjson::SUCCESS) {
      record.flags = simdjson::minify(ours["flags"].value());
    }
    records.push_back(record);
  }
  return records;
}

class Feeder {
 public:
  explicit Feeder(Stream stream, RecordFormat format = RecordFormat::kText)
      : decoder_(make_decoder(stream)),
        encoder_(shipper::Envelope{.source = {7}, .format = format, .name = "n", .path = "/p"}) {}

  // Shows `window_bytes` of `file` from where the decoder stands; false when it consumed nothing.
  bool show(const std::string& file, size_t window_bytes, bool last) {
    shipper::Chunk chunk;
    const size_t left = file.size() - state_.offset;
    const size_t bytes = std::min(left, window_bytes);
    chunk.read.reserve(bytes + simdjson::SIMDJSON_PADDING);
    chunk.read.resize(bytes);
    std::copy_n(file.data() + state_.offset, bytes, chunk.read.data());
    const bool at_end = bytes == left;
    const uint64_t before = state_.offset;
    decoder_->decode({.bytes = {chunk.read.data(), bytes},
                      .base = {base_},
                      .now_ns = 1,
                      .flags = 0,
                      .full = !at_end && window_bytes >= limits::kReadBytesMax,
                      .last = last && at_end,
                      .goes_on = goes_on_,
                      .settled = settled_,
                      .begun_bytes_max = begun_bytes_max_},
                     state_, encoder_, chunk);
    encoder_.finish(chunk);
    for (const Record& record : records_of(chunk)) records.push_back(record);
    return state_.offset != before;
  }

  // All of `file`, in windows that grow while nothing fits them.
  void show_all(const std::string& file, size_t window_bytes, bool last) {
    size_t window = window_bytes;
    while (state_.offset < file.size()) {
      if (show(file, window, last)) {
        window = window_bytes;
      } else if (window >= limits::kReadBytesMax || window >= file.size()) {
        break;
      } else {
        window *= 2;
      }
    }
  }

  // The next file begins; positions go on.
  void next_file() {
    base_ += state_.offset;
    state_.offset = 0;
  }

  std::vector<Record> records;
  DecodeState state_;
  bool goes_on_ = false;
  uint64_t settled_ = UINT64_MAX;
  size_t begun_bytes_max_ = SIZE_MAX;

 private:
  std::unique_ptr<Decoder> decoder_;
  shipper::RecordEncoder encoder_;
  uint64_t base_ = 0;
};

void expect_ranges_meet(const std::vector<Record>& records, uint64_t end) {
  uint64_t at = 0;
  for (const Record& record : records) {
    EXPECT_EQ(record.start, at);
    EXPECT_GT(record.end, record.start);
    at = record.end;
  }
  EXPECT_EQ(at, end);
}

TEST(TextLines, a_partial_last_line_waits_until_it_is_complete) {
  Feeder feeder(Stream::kFile);
  feeder.show_all("one\ntwo\nthr", 1 << 16, false);
  ASSERT_EQ(feeder.records.size(), 2u);
  EXPECT_EQ(feeder.records[1].message, "two");
  EXPECT_EQ(feeder.state_.offset, 8u);
  feeder.show_all("one\ntwo\nthree\n", 1 << 16, false);
  ASSERT_EQ(feeder.records.size(), 3u);
  EXPECT_EQ(feeder.records[2].message, "three");
  expect_ranges_meet(feeder.records, 14);
}

TEST(TextLines, the_unterminated_end_of_an_ended_file_is_a_flagged_record) {
  Feeder feeder(Stream::kFile);
  feeder.show_all("one\nend", 1 << 16, true);
  ASSERT_EQ(feeder.records.size(), 2u);
  EXPECT_EQ(feeder.records[1].message, "end");
  EXPECT_EQ(feeder.records[1].flags, "[\"unterminated\"]");
  expect_ranges_meet(feeder.records, 7);
}

TEST(TextLines, any_windows_give_the_same_records) {
  std::mt19937 random(20261121);
  int files = 0;
  for (int round = 0; round < 60; ++round, ++files) {
    std::string file;
    std::vector<std::string> lines;
    const int count = std::uniform_int_distribution<>(0, 400)(random);
    for (int i = 0; i < count; ++i) {
      const int length = std::uniform_int_distribution<>(0, i % 50 == 0 ? 9000 : 120)(random);
      lines.push_back(std::string(static_cast<size_t>(length), static_cast<char>('a' + i % 26)));
      file += lines.back() + "\n";
    }
    Feeder feeder(Stream::kFile);
    feeder.show_all(file, static_cast<size_t>(1 + round * 37), false);
    ASSERT_EQ(feeder.records.size(), lines.size());
    for (size_t i = 0; i < lines.size(); ++i) ASSERT_EQ(feeder.records[i].message, lines[i]);
    expect_ranges_meet(feeder.records, file.size());
  }
  EXPECT_EQ(files, 60);
}

TEST(TextLines, a_line_larger_than_any_record_is_carried_in_parts) {
  for (const size_t length : {size_t{999'000}, size_t{1'000'000}, size_t{1'048'575},
                              size_t{1'048'576}, size_t{5'000'001}}) {
    for (const char fill : {'x', '\x01'}) {
      const std::string line(length, fill);
      const std::string file = "before\n" + line + "\nafter\n";
      Feeder feeder(Stream::kFile);
      feeder.show_all(file, limits::kReadBytesUsual, false);
      std::string joined;
      int64_t part = 0;
      const bool split = feeder.records.size() > 3;
      EXPECT_EQ(split, length >= 1'000'000 || fill == '\x01');
      for (size_t i = 1; i + 1 < feeder.records.size(); ++i) {
        EXPECT_EQ(feeder.records[i].part, split ? part++ : -1);
        EXPECT_EQ(feeder.records[i].last_part, split && i + 2 == feeder.records.size());
        joined += feeder.records[i].message;
      }
      EXPECT_EQ(joined, line) << length;
      EXPECT_EQ(feeder.records.front().message, "before");
      EXPECT_EQ(feeder.records.back().message, "after");
      EXPECT_EQ(feeder.records.back().part, -1);
      expect_ranges_meet(feeder.records, file.size());
    }
  }
}

TEST(TextLines, a_carriage_return_is_text_unless_a_newline_follows) {
  const std::string file = "one\r\ntwo\rthree\n\r\nfour\r\r\nfive\r";
  for (size_t window = 1; window < 30; ++window) {
    Feeder feeder(Stream::kFile);
    feeder.show_all(file, window, true);
    ASSERT_EQ(feeder.records.size(), 5u);
    EXPECT_EQ(feeder.records[0].message, "one");
    EXPECT_EQ(feeder.records[1].message, "two\rthree");
    EXPECT_EQ(feeder.records[2].message, "");
    EXPECT_EQ(feeder.records[3].message, "four\r");
    EXPECT_EQ(feeder.records[4].message, "five\r");
    expect_ranges_meet(feeder.records, file.size());
  }
}

TEST(TextLines, a_carriage_return_at_the_end_of_a_full_window_waits_for_the_newline) {
  const std::string line(limits::kReadBytesMax - 1, 'x');
  Feeder feeder(Stream::kFile);
  feeder.show_all(line + "\r\nnext\n", limits::kReadBytesMax, false);
  std::string joined;
  for (const Record& record : feeder.records) joined += record.message;
  EXPECT_EQ(joined, line + "next");
  expect_ranges_meet(feeder.records, line.size() + 7);
}

TEST(TextLines, a_byte_order_mark_is_text_only_after_the_beginning_of_the_file) {
  const std::string bom = "\xEF\xBB\xBF";
  Feeder feeder(Stream::kFile);
  feeder.show_all(bom + "one\n" + bom + "two\n", 3, false);
  ASSERT_EQ(feeder.records.size(), 2u);
  EXPECT_EQ(feeder.records[0].message, "one");
  EXPECT_EQ(feeder.records[0].offset, 3u);
  EXPECT_EQ(feeder.records[1].message, bom + "two");
  expect_ranges_meet(feeder.records, 14);

  Feeder alone(Stream::kFile);
  alone.show_all(bom, 1, true);
  EXPECT_TRUE(alone.records.empty());
  EXPECT_EQ(alone.state_.offset, 3u);
  EXPECT_EQ(alone.state_.covered.bytes, 0u);

  Feeder line(Stream::kFile);
  line.show_all(bom + "\r\nx\n", 1, false);
  ASSERT_EQ(line.records.size(), 2u);
  EXPECT_EQ(line.records[0].message, "");
}

TEST(TextLines, nuls_before_a_line_and_at_the_end_are_no_text_and_others_are) {
  const std::string nuls(100, '\0');
  const std::string file = nuls + "a" + '\0' + "b\n" + nuls + "\nc\n" + nuls + "d" + nuls;
  for (size_t window = 1; window < 600; window += 7) {
    Feeder feeder(Stream::kFile);
    feeder.show_all(file, window, true);
    ASSERT_EQ(feeder.records.size(), 4u) << window;
    EXPECT_EQ(feeder.records[0].message, std::string("a\0b", 3));
    EXPECT_EQ(feeder.records[0].offset, 100u);
    EXPECT_EQ(feeder.records[1].message, "");
    EXPECT_EQ(feeder.records[2].message, "c");
    EXPECT_EQ(feeder.records[3].message, "d");
    EXPECT_EQ(feeder.records[3].flags, "[\"unterminated\"]");
    expect_ranges_meet(feeder.records, file.size());
  }
}

TEST(TextLines, nuls_that_may_still_be_replaced_are_left) {
  const std::string file = "a\n" + std::string(10, '\0') + "b\n";
  Feeder feeder(Stream::kFile);
  feeder.settled_ = 12;  // The text after them begins there.
  feeder.show_all(file, 1 << 16, false);
  EXPECT_EQ(feeder.records.size(), 1u);
  EXPECT_EQ(feeder.state_.offset, 2u);
  feeder.settled_ = 13;
  feeder.show_all(file, 1 << 16, false);
  EXPECT_EQ(feeder.records.size(), 2u);
}

std::string entry(const std::string& log, const char* stream = "stdout", int time = 123456789) {
  return "{\"log\":\"" + log + "\",\"stream\":\"" + stream + "\",\"time\":\"2026-11-21T04:50:00." +
         std::to_string(time) + "Z\"}\n";
}

TEST(ContainerLog, partial_entries_are_joined_and_the_other_stream_is_passed_over) {
  const std::string file = entry("a\\n") + entry("err\\n", "stderr") + entry("begin-") +
                           entry("err2\\n", "stderr") + entry("end\\u0041\\n") +
                           entry("err3\\n", "stderr");
  for (size_t window = 40; window < 700; window += 13) {
    Feeder feeder(Stream::kStdout);
    feeder.show_all(file, window, false);
    ASSERT_EQ(feeder.records.size(), 2u);
    EXPECT_EQ(feeder.records[0].message, "a");
    EXPECT_EQ(feeder.records[1].message, "begin-endA");
    EXPECT_EQ(feeder.records[0].end, feeder.records[1].start);
    EXPECT_EQ(feeder.records[1].end, file.size() - entry("err3\\n", "stderr").size());
    EXPECT_EQ(feeder.state_.offset, file.size());  // Foreign entries are not read again.

    Feeder errors(Stream::kStderr);
    errors.show_all(file, window, false);
    ASSERT_EQ(errors.records.size(), 3u);
    EXPECT_EQ(errors.records[2].message, "err3");
    expect_ranges_meet(errors.records, file.size());
  }
}

TEST(ContainerLog, raw_values_lie_where_they_stay) {
  std::string file;
  for (int i = 0; i < 500; ++i) file += entry("line " + std::to_string(i) + "\\t\\n");
  shipper::Chunk chunk;
  chunk.read.reserve(file.size() + simdjson::SIMDJSON_PADDING);
  chunk.read.resize(file.size());
  std::copy(file.begin(), file.end(), chunk.read.data());
  shipper::RecordEncoder encoder(
      shipper::Envelope{.source = {7}, .format = RecordFormat::kRaw, .name = "n", .path = "/p"});
  DecodeState state;
  make_decoder(Stream::kStdout)
      ->decode({.bytes = {chunk.read.data(), file.size()},
                .base = {0},
                .now_ns = 1,
                .flags = 0,
                .full = false,
                .last = false},
               state, encoder, chunk);
  encoder.finish(chunk);
  ASSERT_EQ(chunk.messages.size(), 500u);
  for (size_t i = 0; i < chunk.messages.size(); ++i) {
    const auto& message = chunk.messages[i];
    EXPECT_EQ(std::string(static_cast<const char*>(message.payload), message.len),
              "line " + std::to_string(i) + "\t");
  }
}

TEST(ContainerLog, torn_and_foreign_lines_are_kept_as_they_are) {
  const std::string file = "{\"log\":\"torn\n" + entry("ok\\n") + "not json\n" +
                           "2026-11-21T04:50:00.1+00:00 stdout P cri \n"
                           "2026-11-21T04:50:00.2+01:00 stdout F line\n";
  Feeder feeder(Stream::kStdout);
  feeder.show_all(file, 1 << 16, false);
  ASSERT_EQ(feeder.records.size(), 4u);
  EXPECT_EQ(feeder.records[0].message, "{\"log\":\"torn");
  EXPECT_EQ(feeder.records[1].message, "ok");
  EXPECT_EQ(feeder.records[2].message, "not json");
  EXPECT_EQ(feeder.records[3].message, "cri line");
  expect_ranges_meet(feeder.records, file.size());
}

TEST(ContainerLog, a_line_of_many_entries_is_carried_in_parts_within_bounded_memory) {
  std::string file, expected;
  for (int i = 0; i < 200; ++i) {
    file += entry(std::string(16'000, static_cast<char>('a' + i % 26)));
    expected += std::string(16'000, static_cast<char>('a' + i % 26));
  }
  file += entry("!\\n");
  Feeder feeder(Stream::kStdout);
  feeder.show_all(file, limits::kReadBytesUsual, false);
  std::string joined;
  for (const Record& record : feeder.records) joined += record.message;
  EXPECT_EQ(joined, expected + "!");
  EXPECT_TRUE(feeder.records.back().last_part);
  EXPECT_GT(feeder.records.size(), 3u);
  expect_ranges_meet(feeder.records, file.size());
}

TEST(ContainerLog, a_line_that_goes_on_in_another_file_is_one_record) {
  const std::string first = entry("a\\n") + entry("one-") + entry("err\\n", "stderr");
  const std::string second = entry("two-"), third = entry("three\\r\\n") + entry("b\\n");
  for (size_t window = 1; window < 300; window += 11) {
    Feeder feeder(Stream::kStdout);
    feeder.goes_on_ = true;
    feeder.show_all(first, window, true);
    EXPECT_EQ(feeder.records.size(), 1u);
    EXPECT_EQ(feeder.state_.offset, first.size());
    EXPECT_EQ(feeder.state_.begun.text, "one-");
    feeder.next_file();
    feeder.show_all(second, window, true);
    feeder.next_file();
    feeder.show_all(third, window, true);
    ASSERT_EQ(feeder.records.size(), 3u);
    EXPECT_EQ(feeder.records[1].message, "one-two-three");
    EXPECT_EQ(feeder.records[1].offset, entry("a\\n").size());
    EXPECT_EQ(feeder.records[1].part, -1);
    EXPECT_EQ(feeder.records[1].flags, "");
    EXPECT_EQ(feeder.records[2].message, "b");
    expect_ranges_meet(feeder.records, first.size() + second.size() + third.size());
  }
}

TEST(ContainerLog, what_a_run_left_without_a_newline_ends_where_the_next_run_begins) {
  const std::string ended = entry("fatal", "stdout", 100000000);
  const std::string other = entry("err\\n", "stderr", 100000001);
  for (const std::string& next :
       {entry("started\\n", "stdout", 200000000),
        entry("star", "stdout", 200000000) + entry("ted\\n", "stdout", 200000000)}) {
    const std::string file = ended + other + next;
    for (size_t window = 1; window < 300; window += 7) {
      Feeder feeder(Stream::kStdout);
      feeder.show_all(file, window, false);
      ASSERT_EQ(feeder.records.size(), 2u);
      EXPECT_EQ(feeder.records[0].message, "fatal");
      EXPECT_EQ(feeder.records[0].flags, "[\"unterminated\"]");
      EXPECT_EQ(feeder.records[0].end, ended.size() + other.size());
      EXPECT_EQ(feeder.records[1].message, "started");
      EXPECT_EQ(feeder.records[1].flags, "");
      expect_ranges_meet(feeder.records, file.size());
    }
  }
  // Also when the next run begins in another file.
  Feeder feeder(Stream::kStdout);
  feeder.goes_on_ = true;
  feeder.show_all(ended, 1 << 16, true);
  feeder.next_file();
  feeder.show_all(entry("started\\n", "stdout", 200000000), 1 << 16, false);
  ASSERT_EQ(feeder.records.size(), 2u);
  EXPECT_EQ(feeder.records[0].message, "fatal");
  EXPECT_EQ(feeder.records[0].end, ended.size());
  EXPECT_EQ(feeder.records[1].message, "started");
}

TEST(ContainerLog, a_line_waits_for_its_end_over_any_number_of_foreign_entries) {
  const std::string piece(16'000, 'x');
  std::string file = entry(piece), foreign = entry(std::string(1000, 'e') + "\\n", "stderr");
  while (file.size() < 3 * limits::kReadBytesMax) file += foreign;
  file += entry(piece) + foreign + entry("end\\n");
  Feeder feeder(Stream::kStdout);
  feeder.show_all(file, limits::kReadBytesUsual, false);
  ASSERT_EQ(feeder.records.size(), 1u);
  EXPECT_EQ(feeder.records[0].message, piece + piece + "end");
  EXPECT_EQ(feeder.records[0].part, -1);
  expect_ranges_meet(feeder.records, file.size());
}

TEST(ContainerLog, what_a_lane_has_no_room_for_is_shipped_in_parts) {
  Feeder feeder(Stream::kStdout);
  feeder.goes_on_ = true;
  feeder.begun_bytes_max_ = 10;
  const std::string first = entry("0123456789\xC3\xA9"), second = entry("end\\n");
  feeder.show_all(first, 1 << 16, true);
  ASSERT_EQ(feeder.records.size(), 1u);
  EXPECT_EQ(feeder.records[0].part, 0);
  EXPECT_EQ(feeder.state_.begun.text, "\xC3\xA9");
  feeder.next_file();
  feeder.show_all(second, 1 << 16, true);
  ASSERT_EQ(feeder.records.size(), 2u);
  EXPECT_EQ(feeder.records[1].message,
            "\xC3\xA9"
            "end");
  EXPECT_EQ(feeder.records[1].part, 1);
  EXPECT_TRUE(feeder.records[1].last_part);
  expect_ranges_meet(feeder.records, first.size() + second.size());
}

TEST(ContainerLog, an_empty_last_window_ends_the_line_that_is_begun) {
  Feeder feeder(Stream::kStderr);
  feeder.goes_on_ = true;
  feeder.show_all(entry("half", "stderr"), 1 << 16, true);
  EXPECT_TRUE(feeder.records.empty());
  feeder.goes_on_ = false;
  feeder.show(entry("half", "stderr"), 1 << 16, true);
  ASSERT_EQ(feeder.records.size(), 1u);
  EXPECT_EQ(feeder.records[0].message, "half");
  EXPECT_EQ(feeder.records[0].flags, "[\"unterminated\"]");
  EXPECT_TRUE(feeder.state_.begun.empty());
}

TEST(ContainerLog, nuls_and_a_byte_order_mark_before_an_entry_are_no_text) {
  const std::string nuls(5000, '\0');
  for (const char* stream : {"stdout", "stderr"}) {
    const std::string file =
        "\xEF\xBB\xBF" + entry("a\\n", stream) + nuls + entry("b\\n", stream) + nuls;
    for (const size_t window : {1, 100, 4000, 20'000}) {
      Feeder feeder(stream == std::string("stdout") ? Stream::kStdout : Stream::kStderr);
      feeder.show_all(file, window, true);
      ASSERT_EQ(feeder.records.size(), 2u) << stream << window;
      EXPECT_EQ(feeder.records[0].message, "a");
      EXPECT_EQ(feeder.records[1].message, "b");
      expect_ranges_meet(feeder.records, file.size() - nuls.size());
      EXPECT_EQ(feeder.state_.offset, file.size());
    }
  }
}

}  // namespace
}  // namespace longshore::agent
