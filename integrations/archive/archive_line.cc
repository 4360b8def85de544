#include "integrations/archive/archive_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>

#include "shipper/record/json_escape.h"
#include "shipper/record/utf8.h"

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

/// Takes a number of exactly `digits` digits off the front.
bool take_number(std::string_view& text, size_t digits, int& number) {
  if (text.size() < digits) return false;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + digits, number);
  if (failed != std::errc() || end != text.data() + digits || number < 0) return false;
  text.remove_prefix(digits);
  return true;
}

bool take(std::string_view& text, char c) {
  if (text.empty() || text[0] != c) return false;
  text.remove_prefix(1);
  return true;
}

// "14", "14:00", "14:00:00", "14:00:00.123456789" in nanoseconds of the day.
std::optional<int64_t> take_clock(std::string_view& text) {
  int hour = 0, minute = 0, second = 0;
  int64_t ns = 0;
  if (!take_number(text, 2, hour) || hour > 24) return std::nullopt;
  if (take(text, ':') && (!take_number(text, 2, minute) || minute > 59)) return std::nullopt;
  if (take(text, ':') && (!take_number(text, 2, second) || second > 60)) return std::nullopt;
  if (take(text, '.')) {
    int64_t unit = 100'000'000;
    for (; !text.empty() && text[0] >= '0' && text[0] <= '9'; text.remove_prefix(1)) {
      ns += (text[0] - '0') * unit;
      unit /= 10;
    }
  }
  return ((hour * 60 + minute) * 60 + second) * int64_t{1'000'000'000} + ns;
}

}  // namespace

std::optional<int64_t> parse_time(std::string_view text) {
  int year = 0, month = 0, day = 0;
  if (!take_number(text, 4, year) || !take(text, '-') || !take_number(text, 2, month) ||
      !take(text, '-') || !take_number(text, 2, day))
    return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(unsigned(month)),
                                         std::chrono::day(unsigned(day))};
  if (!date.ok()) return std::nullopt;
  int64_t ms = std::chrono::sys_days(date).time_since_epoch().count() * int64_t{86'400'000};
  if (text.empty()) return ms;
  if (!take(text, 'T') && !take(text, ' ')) return std::nullopt;
  const auto clock = take_clock(text);
  if (!clock) return std::nullopt;
  ms += *clock / 1'000'000;
  if (text.empty() || text == "Z" || text == "z") return ms;
  const int sign = text[0] == '+' ? 1 : text[0] == '-' ? -1 : 0;
  text.remove_prefix(1);
  const auto offset = sign != 0 ? take_clock(text) : std::nullopt;
  if (!offset || !text.empty()) return std::nullopt;
  return ms - sign * *offset / 1'000'000;
}

std::string time_text(int64_t ms) {
  const std::chrono::sys_time<std::chrono::milliseconds> time{std::chrono::milliseconds(ms)};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const int64_t rest = (time - day).count();
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", int(date.year()),
                     unsigned(date.month()), unsigned(date.day()), rest / 3'600'000,
                     rest / 60'000 % 60, rest / 1000 % 60, rest % 1000);
}

bool LineWriter::is_own(const kafka::ReadRecord& record) {
  return parser_.parse(record.value).has_value();
}

void LineWriter::append(const kafka::ReadRecord& record, bool own, std::string& out) {
  const std::string_view object = own ? record.value : json_.find(record.value);
  if (!object.empty()) {
    const size_t begin = out.size();
    out += object;
    // A newline stands between tokens: within a string it would be escaped.
    std::replace(out.begin() + static_cast<ptrdiff_t>(begin), out.end(), '\n', ' ');
    out += '\n';
    return;
  }
  const auto append_text = [this, &out](std::string_view name, std::string_view bytes) {
    if (shipper::is_utf8(bytes)) {
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
  out +=
      fmt::format("{{\"@timestamp\":\"{}\",", time_text(std::max<int64_t>(record.timestamp_ms, 0)));
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
    // It is text then, whatever it seemed.
    view.time = {};
    view.text = line;
  }
  return view;
}

}  // namespace longshore::archive
