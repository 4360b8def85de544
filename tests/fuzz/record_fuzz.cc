// Goal: for any line and any envelope the encoder writes JSON that reads back unchanged, within the
// size limit that it was given; and no value in a topic crashes a reader.
// Method: envelope, line and limit are taken from the input; UTF-8 and escapes are compared with
// plain implementations of their definitions.

#include <simdjson.h>

#include "config/printable.h"
#include "config/utf8.h"
#include "integrations/kafka/tap_line.h"
#include "shipper/record/json_escape.h"
#include "shipper/record/ledger_record.h"
#include "shipper/record/record_encoder.h"
#include "shipper/record/record_view.h"
#include "tests/fuzz/input.h"

namespace longshore::fuzz {
namespace {

constexpr size_t kTextBytesMax = 1 << 18;

// The code point at the front of `text` and its length by RFC 3629, section 3; length 0: none.
size_t decode_utf8(std::string_view text) {
  const auto first = static_cast<uint8_t>(text[0]);
  if (first < 0x80) return 1;
  const size_t length = first >> 5 == 6 ? 2 : first >> 4 == 14 ? 3 : first >> 3 == 30 ? 4 : 0;
  if (length == 0 || text.size() < length) return 0;
  uint32_t point = first & (0xffu >> (length + 1));
  for (size_t i = 1; i < length; ++i) {
    const auto byte = static_cast<uint8_t>(text[i]);
    if (byte >> 6 != 2) return 0;
    point = point << 6 | (byte & 0x3fu);
  }
  constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = point >= 0xd800 && point <= 0xdfff;
  return point < kLeast[length] || point > 0x10ffff || surrogate ? 0 : length;
}

bool is_valid(std::string_view text) {
  while (!text.empty()) {
    const size_t length = decode_utf8(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string repaired(std::string_view text) {
  std::string out;
  repair_utf8(text, out);
  return out;
}

void utf8(std::string_view text) {
  const bool valid = is_valid(text);
  require(is_utf8(text) == valid, "UTF-8 is what RFC 3629 says");
  const std::string whole = repaired(text);
  require(is_valid(whole) && valid == (whole == text), "only what is wrong is replaced");
  for (std::string_view rest = text; !rest.empty();) {
    const Utf8Unit unit = utf8_unit(rest);
    const size_t length = decode_utf8(rest);
    require(unit.bytes > 0 && unit.bytes <= rest.size(), "a unit lies in the text");
    require(unit.valid == (length > 0), "a unit is valid as RFC 3629 says");
    require(!unit.valid || unit.bytes == length, "a character is one unit");
    rest.remove_prefix(unit.bytes);
  }
  shipper::Buffer escaped;
  shipper::append_escaped(whole, escaped);
  size_t bytes = 0;
  for (const char c : whole) bytes += shipper::escaped_bytes(c);
  require(escaped.size() == bytes, "escapes are as long as they say");
  simdjson::dom::parser parser;
  std::string_view back;
  const std::string quoted = shipper::json_string(text);
  require(quoted == '"' + std::string(escaped.data(), escaped.size()) + '"', "quotes are put");
  require(!parser.parse("[" + quoted + "]").at(0).get(back) && back == whole, "a text reads back");
}

void printable(std::string_view text) {
  for (const char c : longshore::printable(text)) {
    require((static_cast<uint8_t>(c) >= 0x20 || c == '\t') && c != 0x7f,
            "nothing that a terminal obeys is printed");
  }
}

struct Made {
  shipper::Envelope envelope;
  shipper::Line line;
};

Made take(Input& input, uint8_t kind) {
  Made made;
  made.envelope.format = static_cast<RecordFormat>(kind % 3);
  made.envelope.source.value = input.number();
  made.envelope.name = input.text();
  made.envelope.path = input.text();
  made.envelope.host_name = input.text();
  if ((kind & 8) != 0) made.envelope.container_id = input.text();
  if ((kind & 8) != 0) made.envelope.container_name = made.envelope.image = input.text();
  if ((kind & 16) != 0) made.envelope.labels = {{input.text(), input.text()}};
  const uint64_t start = input.number(), length = input.number();
  made.line.start.bytes = start;
  made.line.end.bytes = start + std::min(length, UINT64_MAX - start);
  made.line.offset = input.number();
  made.line.time_ns = static_cast<int64_t>(input.number() % 4'000'000'000'000'000'000);
  made.line.flags =
      input.byte() & (shipper::kFlagGapBefore | shipper::kFlagLate | shipper::kFlagUnterminated);
  made.line.split = (kind & 32) != 0;
  made.line.part = made.line.split ? input.byte() : 0;
  made.line.last_part = made.line.split && (kind & 64) != 0;
  return made;
}

std::string encode(shipper::RecordEncoder& encoder, shipper::Line line, std::string_view text) {
  shipper::Chunk chunk;
  chunk.read.resize(text.size());
  std::copy_n(text.data(), text.size(), chunk.read.data());
  line.text = {chunk.read.data(), text.size()};
  encoder.append(line, chunk);
  encoder.finish(chunk);
  require(chunk.messages.size() == 1, "a line is one record");
  const rd_kafka_message_t& message = chunk.messages[0];
  const size_t key_bytes = encoder.format() == RecordFormat::kRaw ? 20 : 16;  // "-raw"
  require(message.payload != nullptr && message.key_len == key_bytes,
          "a record has a value and a key");
  return {static_cast<const char*>(message.payload), message.len};
}

void reads_back(const Made& made, const std::string& value, std::string_view text) {
  if (made.envelope.format == RecordFormat::kRaw) return require(value == text, "raw is as it was");
  simdjson::dom::parser parser;
  require(!parser.parse(value).error(), "a record is JSON");
  shipper::RecordParser reader;
  const auto view = reader.parse(value);
  require(view.has_value(), "a record reads back");
  require(view->source == made.envelope.source && view->start == made.line.start &&
              view->end == made.line.end,
          "a record says what it covers");
  require(view->name == repaired(made.envelope.name) && view->path == repaired(made.envelope.path),
          "a record names its log");
  require(view->host == repaired(made.envelope.host_name), "a record names its host");
  require(made.envelope.container_id.empty() ||
              view->container == repaired(made.envelope.container_name),
          "a record names its container");
  require(view->part.has_value() == made.line.split && view->part.value_or(0) == made.line.part &&
              view->last_part == made.line.last_part,
          "a record says which part it is");
  require((view->flags & made.line.flags) == made.line.flags, "flags are kept");
  const bool replaced = (view->flags & shipper::kFlagReplaced) != 0;
  require(view->embedded || view->text == repaired(text), "the message reads back");
  require(view->embedded || replaced != is_valid(text), "what was replaced is flagged");
  require(!view->embedded || text.find(view->text) != std::string_view::npos,
          "an object is embedded as it stands");
}

// Cut at any limit, the pieces are the text.
void cuts(const Made& made, shipper::RecordEncoder& encoder, std::string_view text, size_t limit) {
  std::string joined;
  for (int pieces = 0; !text.empty() && pieces < 64; ++pieces) {
    const size_t fits = encoder.fitting_prefix(text, limit);
    require(fits > 0 && fits <= text.size(), "a piece is never empty");
    const std::string_view piece = text.substr(0, fits);
    if (fits < text.size()) {
      require(is_valid(piece) || !is_valid(text), "a character is not cut");
    }
    const std::string value = encode(encoder, made.line, piece);
    const size_t least = utf8_unit(text).bytes;
    require(value.size() <= limit || fits <= least, "a piece's record keeps to the limit");
    joined = repaired(piece) + repaired(text.substr(fits));
    require(!is_valid(text) || joined == text, "pieces are the text");
    text.remove_prefix(fits);
  }
}

void ledger(const Made& made, uint8_t kind, std::string_view text) {
  LedgerEntry entry;
  entry.time_ns = made.line.time_ns;
  entry.source = made.envelope.source;
  entry.start = made.line.start;
  entry.end = made.line.end;
  entry.event = static_cast<LedgerEvent>(kind % 5);
  entry.detail = text;
  shipper::Chunk chunk;
  for (int i = 0; i < 3; ++i) shipper::append_ledger_record(entry, made.envelope, "logs", chunk);
  shipper::finish_ledger_records(chunk);
  for (const rd_kafka_message_t& message : chunk.messages) {
    simdjson::dom::parser parser;
    simdjson::dom::element root;
    const char* const value = static_cast<const char*>(message.payload);
    require(!parser.parse(value, message.len).get(root), "a ledger record is JSON");
    uint64_t end = 0;
    std::string_view detail;
    require(!root["longshore"]["end"].get(end) && end == entry.end.bytes, "its range is there");
    require(text.empty() || (!root["longshore"]["detail"].get(detail) && detail == repaired(text)),
            "its detail is there");
    require(bool(root["message"].error()), "it does not pass for a line");
  }
}

void any_value(std::string_view value) {
  shipper::RecordParser reader;
  const auto view = reader.parse(value);
  if (!view) return;
  require(view->start <= view->end, "a range is not reversed");
  std::string out;
  kafka::append_line(*view, false, out);
  require(!out.empty() && out.find('\n') == out.size() - 1, "a record is one line");
}

}  // namespace
}  // namespace longshore::fuzz

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace longshore::fuzz;
  Input input(data, size);
  const uint8_t kind = input.byte();
  any_value(input.rest());
  const size_t limit = input.byte() * 8u;
  const Made made = take(input, kind);
  const std::string text = expanded(input.rest(), kTextBytesMax);
  utf8(text);
  printable(text);
  longshore::shipper::RecordEncoder encoder(made.envelope);
  reads_back(made, encode(encoder, made.line, text), text);
  cuts(made, encoder, text, limit);
  ledger(made, kind, text);
  return 0;
}
