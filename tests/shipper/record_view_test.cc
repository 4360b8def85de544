// Goal: records read back byte for byte as the encoder wrote them, and nothing else is accepted as
// a record.
// Method: records of the real encoder, one field each; then values that only look like one.

#include "shipper/record/record_view.h"

#include <gtest/gtest.h>

#include "shipper/record/record_encoder.h"

namespace longshore::shipper {
namespace {

Envelope envelope(RecordFormat format) {
  Envelope out;
  out.source = {0x0123456789abcdef};
  out.format = format;
  out.name = "acc\"ess";
  out.path = "/app/logs/access.log";
  out.host_name = "host-7";
  out.container_id = std::string(64, 'a');
  out.container_name = "shop-1";
  out.image = "shop:1.7";
  out.labels = {{"team", "web"}};
  return out;
}

std::string encode(RecordFormat format, Line line) {
  RecordEncoder encoder(envelope(format));
  Chunk chunk;
  encoder.append(line, chunk);
  encoder.finish(chunk);
  const rd_kafka_message_t& message = chunk.messages.at(0);
  return {static_cast<const char*>(message.payload), message.len};
}

TEST(RecordView, every_field_reads_back) {
  Line line;
  line.text = "GET /";
  line.start = {41};
  line.end = {47};
  line.flags = kFlagLate | kFlagGapBefore;
  line.split = line.last_part = true;
  line.part = 3;
  RecordParser parser;
  const auto record = parser.parse(encode(RecordFormat::kText, line));
  ASSERT_TRUE(record);
  EXPECT_EQ(record->source.value, 0x0123456789abcdefu);
  EXPECT_EQ(record->start.bytes, 41u);
  EXPECT_EQ(record->end.bytes, 47u);
  EXPECT_EQ(record->time, "1970-01-01T00:00:00.000000000Z");
  EXPECT_EQ(record->name, "acc\"ess");
  EXPECT_EQ(record->path, "/app/logs/access.log");
  EXPECT_EQ(record->host, "host-7");
  EXPECT_EQ(record->container, "shop-1");
  EXPECT_EQ(record->text, "GET /");
  EXPECT_EQ(record->part, 3u);
  EXPECT_TRUE(record->last_part);
  EXPECT_EQ(record->flags, kFlagLate | kFlagGapBefore);
}

TEST(RecordView, every_character_reads_back_as_its_bytes) {
  std::string text;
  for (int c = 0; c < 128; ++c) text += static_cast<char>(c);
  text += "\u00e4\u2603\U0001f6a2 \\u0041 \\n";
  Line line;
  line.text = text;
  line.end = {text.size() + 1};
  RecordParser parser;
  const auto record = parser.parse(encode(RecordFormat::kText, line));
  ASSERT_TRUE(record);
  EXPECT_EQ(record->text, text);
  EXPECT_FALSE(record->embedded);
}

TEST(RecordView, an_embedded_object_reads_back_as_it_stood) {
  const std::string object = R"({ "a":[1, {"message":"x"}],"longshore":{"start":"no"} })";
  Line line;
  line.text = object;
  line.end = {object.size() + 1};
  RecordParser parser;
  const auto record = parser.parse(encode(RecordFormat::kJson, line));
  ASSERT_TRUE(record);
  EXPECT_TRUE(record->embedded);
  EXPECT_EQ(record->text, object);
}

TEST(RecordView, what_is_no_record_of_ours_is_refused) {
  RecordParser parser;
  const char* const kForeign[] = {
      "",
      "plain text",
      "{",
      "{}",
      R"([{"message":"x"}])",
      R"({"message":"x"})",
      R"({"longshore":{"source":"0123456789abcdef","start":0,"end":1}})",
      R"({"longshore":{"source":"0123","start":0,"end":1},"message":"x"})",
      R"({"longshore":{"source":"0123456789abcdef","start":2,"end":1},"message":"x"})",
      R"({"longshore":{"source":"0123456789abcdef","start":-1,"end":1},"message":"x"})",
      R"({"longshore":{"source":"0123456789abcdef","start":0,"end":1},"message":7})",
      R"({"longshore":"x","message":"x"})",
      "{\"longshore\":{\"source\":\"0123456789abcdef\",\"start\":0,\"end\":1},\"message\":"
      "\"\xff\"}",
  };
  size_t refused = 0;
  for (const char* value : kForeign) {
    EXPECT_FALSE(parser.parse(value)) << value;
    ++refused;
  }
  EXPECT_EQ(refused, std::size(kForeign));
}

TEST(RecordView, only_the_key_of_its_source_makes_a_record_our_own) {
  RecordParser parser;
  const auto record = parser.parse(encode(RecordFormat::kText, {}));
  ASSERT_TRUE(record);
  EXPECT_TRUE(is_own(*record, "0123456789abcdef"));
  for (const std::string_view key : {"", "0123456789abcdee", "0123456789abcdef0", "123456789abcdef",
                                     "0x123456789abcdef", " 123456789abcdef", "-123456789abcdef"})
    EXPECT_FALSE(is_own(*record, key)) << key;
}

}  // namespace
}  // namespace longshore::shipper
