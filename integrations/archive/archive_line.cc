#include "integrations/archive/archive_line.h"

#include <fmt/format.h>

#include <algorithm>

#include "config/time_text.h"
#include "config/utf8.h"
#include "shipper/record/json_escape.h"

namespace longshore::archive {

namespace {

constexpr std::string_view kDigits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// RFC 4648, section 4.
void append_base64(std::string_view bytes, std::string& out) {
  for (size_t at = 0; at < bytes.size(); at += 3) {
    const std::string_view three = bytes.substr(at, 3);
    uint32_t bits = 0;
    for (size_t i = 0; i < 3; ++i)
      bits = bits << 8 | (i < three.size() ? static_cast<unsigned char>(three[i]) : 0u);
    for (size_t i = 0; i < 4; ++i)
      out += i <= three.size() ? kDigits[bits >> (18 - 6 * i) & 63] : '=';
  }
}

std::string from_base64(std::string_view text) {
  std::string bytes;
  uint32_t bits = 0;
  int have = 0;
  for (const char c : text) {
    const size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos) break;
    bits = bits << 6 | static_cast<uint32_t>(digit);
    have += 6;
    if (have < 8) continue;
    have -= 8;
    bytes += static_cast<char>(bits >> have & 255);
  }
  return bytes;
}

}  // namespace

// The object that is stored as it is; empty: the record is wrapped.
std::string_view LineWriter::object_of(const kafka::ReadRecord& record) {
  if (const auto view = parser_.parse(record.value))
    return is_own(*view, record.key) ? record.value : std::string_view();
  const std::string_view object = json_.find(record.value);
  if (object.empty()) return {};
  // Readers see the object without the white space that hid its envelope.
  if (const auto view = parser_.parse(object); view && !is_own(*view, record.key)) return {};
  const auto entry = ledger_.parse(object);
  return !entry || is_own(*entry, record.key) ? object : std::string_view();
}

void LineWriter::append(const kafka::ReadRecord& record, std::string& out) {
  const std::string_view object = object_of(record);
  if (!object.empty()) {
    const size_t begin = out.size();
    out += object;
    // Line breaks are between tokens: inside a string they would be escaped. Hadoop ends a line at
    // a '\r' too.
    std::replace_if(
        out.begin() + static_cast<ptrdiff_t>(begin), out.end(),
        [](char c) { return c == '\n' || c == '\r'; }, ' ');
    out += '\n';
    return;
  }
  const auto append_text = [this, &out](std::string_view name, std::string_view bytes) {
    if (is_utf8(bytes)) {
      escaped_.clear();
      shipper::append_escaped(bytes, escaped_);
      out += fmt::format("\"{}\":\"", name);
      out.append(escaped_.data(), escaped_.size());
    } else {
      out += fmt::format("\"{}_base64\":\"", name);
      append_base64(bytes, out);
    }
    out += '"';
  };
  out += fmt::format("{{\"@timestamp\":\"{}\",",
                     utc_text_of_ms(std::max<int64_t>(record.timestamp_ms, 0)));
  append_text("message", record.value);
  out += fmt::format(",\"kafka\":{{\"topic\":\"{}\",\"partition\":{},\"offset\":{},", record.topic,
                     record.partition, record.offset);
  append_text("key", record.key);
  out += "}}\n";
}

LineView LineReader::parse(std::string_view line) {
  LineView view;
  view.record = own_.parse(line);
  if (view.record) {
    view.time = view.record->time;
    view.text = view.record->text;
    return view;
  }
  view.text = line;
  padded_.reserve(line.size() + simdjson::SIMDJSON_PADDING);
  padded_.assign(line);
  try {
    document_ = foreign_.iterate(padded_.data(), padded_.size(), padded_.capacity());
    for (auto field : document_.get_object()) {
      const std::string_view key = field.unescaped_key();
      simdjson::ondemand::value value = field.value();
      if (key != "@timestamp" && key != "message" && key != "message_base64") continue;
      std::string_view text;
      if (value.get_string().get(text)) continue;
      if (key == "@timestamp") {
        view.time = text;
      } else if (key == "message") {
        view.text = text;
      } else {
        decoded_ = from_base64(text);
        view.text = decoded_;
      }
    }
  } catch (const simdjson::simdjson_error&) {
    // Not JSON after all: treat it as text.
    view.time = {};
    view.text = line;
  }
  return view;
}

}  // namespace longshore::archive
