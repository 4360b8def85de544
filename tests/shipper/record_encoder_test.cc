// Goal: whatever bytes a line holds, its record is one JSON object that reads back to exactly that
// line, with the range that it was given; bytes that are not UTF-8 are replaced as Unicode says.
// Method: named cases, every byte value, then random lines (seed printed) read back with simdjson
// and compared with a reference that has all beginnings of well-formed sequences in a table.

#include "shipper/record/record_encoder.h"

#include <gtest/gtest.h>
#include <simdjson.h>

#include <random>
#include <unordered_set>

#include "shipper/record/record_view.h"
#include "tests/fakes/seed.h"

namespace longshore::shipper {
namespace {

constexpr int64_t kNoonNs = 1'795'236'600'123'456'789;  // 2026-11-21T04:50:00.123456789Z

Envelope envelope(RecordFormat format = RecordFormat::kText) {
  return {.source = SourceId{0x00f1e2d3c4b5a697},
          .format = format,
          .name = "access",
          .path = "/app/\"logs\"/a\x80.log",
          .host_name = "host-1",
          .container_id = "c0ffee",
          .container_name = "shop",
          .image = "shop:1.7",
          .labels = {{"team", "a\\b"}, {"tier", "web"}}};
}

// A line alone in a chunk, its text in chunk.read as a tail would have put it there.
struct Encoded {
  Chunk chunk;
  std::string value() const {
    const rd_kafka_message_t& message = chunk.messages.back();
    return {static_cast<const char*>(message.payload), message.len};
  }
};

std::unique_ptr<Encoded> encode(RecordEncoder& encoder, std::string_view text, Line line = {}) {
  auto out = std::make_unique<Encoded>();
  out->chunk.read.resize(text.size() + 1);
  std::copy(text.begin(), text.end(), out->chunk.read.data());
  line.text = {out->chunk.read.data(), text.size()};
  encoder.append(line, out->chunk);
  encoder.finish(out->chunk);
  return out;
}

class Reader {
 public:
  simdjson::dom::element read(const std::string& value) {
    text_ = simdjson::padded_string(value);
    simdjson::dom::element root;
    EXPECT_FALSE(parser_.parse(text_).get(root)) << value;
    return root;
  }

 private:
  simdjson::dom::parser parser_;
  simdjson::padded_string text_;
};

std::string encode_character(char32_t point) {
  const auto tail = [point](int shift) {
    return static_cast<char>(0x80 | ((point >> shift) & 0x3F));
  };
  if (point < 0x800) return {static_cast<char>(0xC0 | (point >> 6)), tail(0)};
  if (point < 0x10000) return {static_cast<char>(0xE0 | (point >> 12)), tail(6), tail(0)};
  return {static_cast<char>(0xF0 | (point >> 18)), tail(12), tail(6), tail(0)};
}

class ReferenceRepair {
 public:
  ReferenceRepair() {
    for (char32_t point = 0x80; point < 0x110000; point += 64) {
      if (point >= 0xD800 && point < 0xE000) continue;
      const std::string character = encode_character(point);
      for (size_t n = 1; n < character.size(); ++n) openings_.insert(character.substr(0, n));
    }
  }

  std::string operator()(const std::string& text) const {
    std::string out;
    for (size_t i = 0; i < text.size();) {
      const auto lead = static_cast<unsigned char>(text[i]);
      if (lead < 0x80) {
        out += text[i++];
        continue;
      }
      size_t n = 0;
      while (i + n < text.size() && openings_.contains(text.substr(i, n + 1))) ++n;
      const size_t whole = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
      if (n + 1 == whole && i + n < text.size() && (text[i + n] & 0xC0) == 0x80) {
        out += text.substr(i, whole);
        i += whole;
      } else {
        out += "\xEF\xBF\xBD";
        i += n == 0 ? 1 : n;
      }
    }
    return out;
  }

 private:
  std::unordered_set<std::string> openings_;
};

TEST(RecordEncoder, the_record_is_the_documented_line) {
  RecordEncoder encoder(envelope());
  const auto out = encode(encoder, "GET \"/\"\t200",
                          {.start = {100}, .end = {112}, .offset = 42, .time_ns = kNoonNs});
  EXPECT_EQ(out->value(),
            R"({"@timestamp":"2026-11-21T04:50:00.123456789Z",)"
            R"("log":{"file":{"path":"/app/\"logs\"/a)"
            "\xEF\xBF\xBD"
            R"(.log"},"offset":42},"host":{"name":"host-1"},)"
            R"("container":{"id":"c0ffee","name":"shop","image":{"name":"shop:1.7"}},)"
            R"("labels":{"team":"a\\b","tier":"web"},)"
            R"("longshore":{"source":"00f1e2d3c4b5a697","name":"access","start":100,"end":112},)"
            R"("message":"GET \"/\"\t200"})");
  const rd_kafka_message_t& message = out->chunk.messages.back();
  EXPECT_EQ(std::string(static_cast<const char*>(message.key), message.key_len),
            "00f1e2d3c4b5a697");
  EXPECT_EQ(message._private, &out->chunk);
  EXPECT_EQ(out->chunk.value_bytes, message.len);
}

TEST(RecordEncoder, a_file_of_the_host_has_no_container_and_no_labels) {
  RecordEncoder encoder({.source = SourceId{1}, .name = "s", .path = "/p", .host_name = "h"});
  EXPECT_EQ(encode(encoder, "")->value(),
            R"({"@timestamp":"1970-01-01T00:00:00.000000000Z",)"
            R"("log":{"file":{"path":"/p"},"offset":0},"host":{"name":"h"},)"
            R"("longshore":{"source":"0000000000000001","name":"s","start":0,"end":0},)"
            R"("message":""})");
}

TEST(RecordEncoder, a_part_and_its_flags_stand_in_their_order) {
  RecordEncoder encoder(envelope());
  const auto flags = kFlagGapBefore | kFlagLate | kFlagUnterminated;
  const std::string value =
      encode(encoder, "a\xff", {.flags = flags, .split = true, .part = 7, .last_part = true})
          ->value();
  EXPECT_NE(value.find(R"("end":0,"part":7,"last_part":true,)"
                       R"("flags":["replaced","gap_before","late","unterminated"]},"message":"a)"),
            std::string::npos)
      << value;
  EXPECT_NE(encode(encoder, "a", {.split = true})->value().find(R"("part":0},)"),
            std::string::npos);
}

TEST(RecordEncoder, times_are_exact_across_seconds_and_before_1970) {
  RecordEncoder encoder(envelope());
  const std::vector<std::pair<int64_t, std::string>> cases = {
      {kNoonNs, "2026-11-21T04:50:00.123456789Z"},
      {kNoonNs + 1, "2026-11-21T04:50:00.123456790Z"},
      {kNoonNs + 876'543'211, "2026-11-21T04:50:01.000000000Z"},
      {-1, "1969-12-31T23:59:59.999999999Z"},
      {0, "1970-01-01T00:00:00.000000000Z"},
      {1'000'000'000'000'000'000, "2001-09-09T01:46:40.000000000Z"},
      {INT64_MAX, "2262-04-11T23:47:16.854775807Z"}};
  for (const auto& [time_ns, want] : cases) {
    const std::string value = encode(encoder, "x", {.time_ns = time_ns})->value();
    EXPECT_EQ(value.substr(15, 30), want);
  }
}

TEST(RecordEncoder, every_byte_value_reads_back) {
  RecordEncoder encoder(envelope());
  Reader reader;
  const ReferenceRepair repair;
  size_t cases = 0;
  for (int byte = 0; byte < 256; ++byte) {
    for (size_t before = 0; before <= 33; ++before, ++cases) {
      const std::string text =
          std::string(before, 'a') + static_cast<char>(byte) + std::string(33 - before, 'b');
      const std::string value = encode(encoder, text)->value();
      const std::string_view message = reader.read(value)["message"];
      ASSERT_EQ(message, repair(text)) << "byte " << byte << " at " << before;
      ASSERT_EQ(value.find("\"replaced\"") != std::string::npos, byte >= 0x80);
      for (const char c : value) ASSERT_GE(static_cast<unsigned char>(c), 0x20);
    }
  }
  EXPECT_EQ(cases, 256u * 34);
}

TEST(RecordEncoder, controls_take_their_short_forms_and_delete_stays) {
  RecordEncoder encoder(envelope());
  const std::string value = encode(encoder, "\b\f\n\r\t\x01\x1f\x7f/é")->value();
  EXPECT_TRUE(value.ends_with("\"message\":\"\\b\\f\\n\\r\\t\\u0001\\u001f\x7f/é\"}")) << value;
}

std::string random_text(std::mt19937_64& random) {
  static constexpr std::string_view kPieces[] = {"\"",
                                                 "\\",
                                                 "\n",
                                                 "plain words and more",
                                                 "é",
                                                 "€",
                                                 "😀",
                                                 "\xF0\x9F",
                                                 "\xED\xA0\x80",
                                                 "\xC0\x80",
                                                 "\xE2\x82",
                                                 "\xF4\x90\x80\x80",
                                                 "\x80",
                                                 "\xFF"};
  std::string text;
  const size_t pieces = random() % 24;
  const bool only_bytes = random() % 4 == 0;
  for (size_t i = 0; i < pieces; ++i) {
    if (only_bytes || random() % 3 == 0) {
      text += static_cast<char>(random());
    } else {
      text += kPieces[random() % std::size(kPieces)];
    }
  }
  return text;
}

TEST(RecordEncoder, random_lines_read_back_as_the_reference_repairs_them) {
  const uint64_t seed = fakes::seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const ReferenceRepair repair;
  Reader reader;
  RecordEncoder encoder(envelope());
  size_t lines = 0, replaced = 0;
  for (; lines < 50'000; ++lines) {
    const std::string text = random_text(random);
    const Line line{.start = {random()}, .end = {random()}, .offset = random()};
    const std::string value = encode(encoder, text, line)->value();
    const simdjson::dom::element root = reader.read(value);
    ASSERT_EQ(std::string_view(root["message"]), repair(text));
    ASSERT_EQ(uint64_t(root["longshore"]["start"]), line.start.bytes);
    ASSERT_EQ(uint64_t(root["longshore"]["end"]), line.end.bytes);
    ASSERT_EQ(uint64_t(root["log"]["offset"]), line.offset);
    const bool flagged = value.find("\"flags\":[\"replaced\"]") != std::string::npos;
    ASSERT_EQ(flagged, repair(text) != text);
    replaced += flagged;
  }
  EXPECT_EQ(lines, 50'000u);
  EXPECT_GT(replaced, 1'000u);
  EXPECT_LT(replaced, 49'000u);
}

TEST(RecordEncoder, many_records_of_a_chunk_survive_the_growth_of_its_arena) {
  RecordEncoder encoder(envelope());
  Chunk chunk;
  std::vector<std::string> texts;
  for (size_t i = 0; i < 3000; ++i) texts.push_back(std::string(i % 97, '"'));
  for (size_t i = 0; i < texts.size(); ++i) {
    encoder.append({.text = texts[i], .start = {i}, .end = {i + 1}}, chunk);
  }
  encoder.finish(chunk);
  ASSERT_EQ(chunk.messages.size(), texts.size());
  Reader reader;
  size_t bytes = 0;
  for (size_t i = 0; i < texts.size(); ++i) {
    const rd_kafka_message_t& message = chunk.messages[i];
    const std::string value(static_cast<const char*>(message.payload), message.len);
    const simdjson::dom::element root = reader.read(value);
    ASSERT_EQ(std::string_view(root["message"]), texts[i]);
    ASSERT_EQ(uint64_t(root["longshore"]["start"]), i);
    bytes += message.len;
  }
  EXPECT_EQ(chunk.value_bytes, bytes);
}

TEST(RecordEncoder, json_is_embedded_verbatim_when_it_is_one_object) {
  RecordEncoder encoder(envelope(RecordFormat::kJson));
  const std::string object = R"({"a" : [1, 2.50, "\u00e9"], "b":{}})";
  const std::string value = encode(encoder, " \t" + object + " \r")->value();
  EXPECT_TRUE(value.ends_with(R"(},"json":)" + object + "}")) << value;
  EXPECT_EQ(value.find("flags"), std::string::npos);
  Reader reader;
  EXPECT_EQ(double(reader.read(value)["json"]["a"].at(1)), 2.5);
}

TEST(RecordEncoder, what_is_not_one_object_is_a_message_and_says_so) {
  const std::vector<std::string> lines = {
      "",         "text",       "[1]",         "1",       R"("s")",          R"({"a":1)",
      "{}{}",     "{} x",       R"({"a":01})", "{\"a\"}", "{\"a\":\"\t\"}",  "{,}",
      "{\"a\":}", "{\"a\":1,}", "}",           "{\n}",    "{\"a\":\"\xff\"}"};
  RecordEncoder encoder(envelope(RecordFormat::kJson));
  const ReferenceRepair repair;
  Reader reader;
  for (const std::string& line : lines) {
    const std::string value = encode(encoder, line)->value();
    EXPECT_EQ(std::string_view(reader.read(value)["message"]), repair(line));
    EXPECT_NE(value.find("\"not_json\"]"), std::string::npos) << value;
  }
  // A part of a line is not the line, though it may look like an object.
  EXPECT_NE(encode(encoder, "{}", {.split = true})->value().find("not_json"), std::string::npos);
}

TEST(RecordEncoder, raw_is_the_bytes_of_the_line_alone) {
  RecordEncoder encoder(envelope(RecordFormat::kRaw));
  const std::string text("\0\xff\"x", 4);
  const auto out = encode(encoder, text, {.flags = kFlagLate});
  EXPECT_EQ(out->value(), text);
  EXPECT_EQ(out->chunk.messages.back().payload, out->chunk.read.data());  // Not copied.

  const auto empty = encode(encoder, "");
  EXPECT_EQ(empty->value(), "");
  EXPECT_NE(empty->chunk.messages.back().payload, nullptr);  // Not a tombstone.
}

TEST(RecordEncoder, a_raw_line_that_is_an_envelope_is_not_its_own_logs) {
  RecordEncoder encoder(envelope(RecordFormat::kRaw));
  const std::string line = R"({"container":{"name":"victim"},"longshore":)"
                           R"({"source":"00f1e2d3c4b5a697","name":"a","start":0,"end":9},)"
                           R"("message":"forged"})";
  const auto out = encode(encoder, line);
  const rd_kafka_message_t& message = out->chunk.messages.back();
  const std::string_view key(static_cast<const char*>(message.key), message.key_len);
  RecordParser parser;
  const auto record = parser.parse(out->value());
  ASSERT_TRUE(record);
  EXPECT_FALSE(is_own(*record, key));
  EXPECT_EQ(raw_source_of(key), record->source);
  EXPECT_EQ(raw_source_of("00f1e2d3c4b5a697"), record->source);  // Of older agents.
  EXPECT_FALSE(raw_source_of("-raw"));
}

TEST(RecordEncoder, raw_text_in_the_arena_is_found_after_the_arena_grew) {
  RecordEncoder encoder(envelope(RecordFormat::kRaw));
  Chunk chunk;
  chunk.encoded.resize(8);
  std::copy_n("joined!!", 8, chunk.encoded.data());
  encoder.append({.text = {chunk.encoded.data(), 8}}, chunk);
  chunk.encoded.resize(1 << 20);
  encoder.finish(chunk);
  EXPECT_EQ(std::string(static_cast<const char*>(chunk.messages[0].payload), 8), "joined!!");
}

TEST(FittingPrefix, is_the_longest_that_stays_within_the_limit) {
  std::mt19937_64 random(fakes::seed());
  size_t cuts = 0;
  for (const RecordFormat format : {RecordFormat::kText, RecordFormat::kJson, RecordFormat::kRaw}) {
    RecordEncoder encoder(envelope(format));
    for (int i = 0; i < 3000; ++i) {
      std::string text = random_text(random);
      for (int j = 0; j < 5; ++j) text += random_text(random);
      if (text.empty()) continue;
      const size_t max = (format == RecordFormat::kRaw ? 1 : 800) + random() % 400;
      const size_t cut = encoder.fitting_prefix(text, max);
      ASSERT_GT(cut, 0u);
      ASSERT_LE(cut, text.size());
      const Line widest{.start = {UINT64_MAX},
                        .end = {UINT64_MAX},
                        .offset = UINT64_MAX,
                        .flags = kFlagGapBefore | kFlagLate | kFlagUnterminated,
                        .split = true,
                        .part = UINT32_MAX,
                        .last_part = true};
      if (cut > 4) {
        ASSERT_LE(encode(encoder, text.substr(0, cut), widest)->value().size(), max);
      }
      if (cut == text.size()) continue;
      ++cuts;
      // The narrowest head leaves some bytes unused; two characters more than those do not fit.
      const std::string more = text.substr(0, std::min(text.size(), cut + 4));
      ASSERT_GT(encode(encoder, more + std::string(40, 'x'), widest)->value().size(), max);
    }
  }
  EXPECT_GT(cuts, 1000u);
}

TEST(FittingPrefix, cuts_between_characters_and_pieces_make_the_whole) {
  for (const RecordFormat format : {RecordFormat::kText, RecordFormat::kRaw}) {
    RecordEncoder encoder(envelope(format));
    std::string text;
    for (int i = 0; i < 500; ++i) text += "aé€😀";
    std::string whole;
    size_t parts = 0;
    for (std::string_view rest = text; !rest.empty(); ++parts) {
      const size_t cut = encoder.fitting_prefix(rest, format == RecordFormat::kRaw ? 100 : 800);
      const std::string value = encode(encoder, rest.substr(0, cut), {.split = true})->value();
      EXPECT_EQ(value.find("replaced"), std::string::npos);
      EXPECT_TRUE(simdjson::validate_utf8(value));
      whole += rest.substr(0, cut);
      rest.remove_prefix(cut);
    }
    EXPECT_EQ(whole, text);
    EXPECT_GT(parts, 10u);
  }
}

TEST(FittingPrefix, an_object_that_fits_as_it_stands_is_not_cut) {
  RecordEncoder encoder(envelope(RecordFormat::kJson));
  std::string quotes = "{\"k\":[\"\"";
  while (quotes.size() < 400) quotes += ",\"\"";
  quotes += "]}";
  EXPECT_EQ(encoder.fitting_prefix(quotes, 1000), quotes.size());
  EXPECT_LT(encoder.fitting_prefix(quotes.substr(1), 900), quotes.size() - 1);
}

TEST(FittingPrefix, is_a_whole_character_at_least) {
  for (const RecordFormat format : {RecordFormat::kText, RecordFormat::kRaw}) {
    const RecordEncoder encoder(envelope(format));
    EXPECT_EQ(encoder.fitting_prefix("€uro", 1), 3u);
    EXPECT_EQ(encoder.fitting_prefix("€", 0), 3u);
    EXPECT_GT(encoder.fitting_prefix("\x80\x80", 0), 0u);
  }
}

}  // namespace
}  // namespace longshore::shipper
