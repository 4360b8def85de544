#include "agent/decode/docker_json.h"

#include <cstring>
#include <ctime>

#include "agent/decode/line_sink.h"

namespace longshore::agent {
namespace {

bool digits(std::string_view text, size_t at, size_t count, int& value) {
  value = 0;
  if (at + count > text.size()) return false;
  for (size_t i = at; i < at + count; ++i) {
    if (text[i] < '0' || text[i] > '9') return false;
    value = value * 10 + (text[i] - '0');
  }
  return true;
}

// Days from 1970-01-01 to a proleptic Gregorian date; leap years counted to the year before.
int64_t days_of(int year, int month, int day) {
  static constexpr int kBefore[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
  const int64_t y = year - 1;
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return y * 365 + y / 4 - y / 100 + y / 400 - 719162 + kBefore[month - 1] +
         ((month > 2 && leap) ? 1 : 0) + day - 1;
}

// "Z", "+hh:mm" or "-hh:mm" in seconds.
bool parse_zone(std::string_view text, int64_t& seconds) {
  seconds = 0;
  if (text == "Z" || text == "z") return true;
  int hours = 0, minutes = 0;
  if (text.size() != 6 || (text[0] != '+' && text[0] != '-') || text[3] != ':' ||
      !digits(text, 1, 2, hours) || !digits(text, 4, 2, minutes)) {
    return false;
  }
  seconds = (hours * 60 + minutes) * 60;
  if (text[0] == '-') seconds = -seconds;
  return true;
}

}  // namespace

bool parse_rfc3339(std::string_view text, int64_t& time_ns) {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
  if (!digits(text, 0, 4, year) || !digits(text, 5, 2, month) || !digits(text, 8, 2, day) ||
      !digits(text, 11, 2, hour) || !digits(text, 14, 2, minute) || !digits(text, 17, 2, second)) {
    return false;
  }
  if (month < 1 || month > 12 || year < 1970 || year > 2200) return false;
  size_t at = 19;
  int64_t nanos = 0;
  if (at < text.size() && text[at] == '.') {
    int64_t unit = 100'000'000;
    for (++at; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, unit /= 10) {
      nanos += unit * (text[at] - '0');
    }
  }
  int64_t zone_seconds = 0;
  if (at > text.size() || !parse_zone(text.substr(at), zone_seconds)) return false;
  const int64_t seconds =
      days_of(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - zone_seconds;
  time_ns = seconds * 1'000'000'000 + nanos;
  return true;
}

bool JsonFile::parse_json(std::string_view line, size_t room, Entry& entry) {
  simdjson::ondemand::document document;
  simdjson::ondemand::object object;
  if (parser_.iterate(line.data(), line.size(), line.size() + room).get(document) ||
      document.get_object().get(object)) {
    return false;
  }
  bool has_log = false, has_stream = false;
  for (auto field : object) {
    std::string_view key, value;
    if (field.unescaped_key().get(key)) return false;
    if (key != "log" && key != "stream" && key != "time") continue;
    if (field.value().get_string().get(value)) return false;
    if (key == "log") {
      has_log = true;
      entry.complete = value.ends_with('\n');
      entry.text = entry.complete ? value.substr(0, value.size() - 1) : value;
    } else if (key == "stream") {
      has_stream = true;
      entry.ours = value == stream_;
    } else if (!parse_rfc3339(value, entry.time_ns)) {
      return false;
    }
  }
  return has_log && has_stream;
}

bool JsonFile::parse_cri(std::string_view line, Entry& entry) const {
  const size_t time_end = line.find(' ');
  if (time_end == std::string_view::npos) return false;
  const size_t stream_end = line.find(' ', time_end + 1);
  if (stream_end == std::string_view::npos || stream_end + 2 >= line.size()) return false;
  const char tag = line[stream_end + 1];
  if ((tag != 'F' && tag != 'P') || line[stream_end + 2] != ' ') return false;
  if (!parse_rfc3339(line.substr(0, time_end), entry.time_ns)) return false;
  entry.ours = line.substr(time_end + 1, stream_end - time_end - 1) == stream_;
  entry.complete = tag == 'F';
  entry.text = line.substr(stream_end + 3);
  return true;
}

JsonFile::Entry JsonFile::parse(std::string_view line, size_t room, int64_t now_ns) {
  Entry entry{.text = {}, .time_ns = now_ns, .ours = false, .complete = false};
  if (!line.empty() && line[0] == '{' && parse_json(line, room, entry)) return entry;
  if (!line.empty() && line[0] >= '0' && line[0] <= '9' && parse_cri(line, entry)) return entry;
  // Torn or foreign: the bytes as they are, on stdout, so that exactly one source carries them.
  return {.text = line, .time_ns = now_ns, .ours = stream_ == "stdout", .complete = true};
}

void JsonFile::decode(const Window& window, DecodeState& state, shipper::RecordEncoder& encoder,
                      shipper::Chunk& chunk) {
  LineSink sink(window, state, encoder, chunk);
  // Unescaped text is gathered in the arena (records of `raw` point there): never longer than what
  // it was read from, so the arena does not move while this window is decoded.
  chunk.encoded.reserve(chunk.encoded.size() + window.bytes.size() * 2);
  std::string pending;
  const char* const begin = window.bytes.data();
  const char* const end = begin + window.bytes.size();
  const uint64_t first_offset = state.offset;
  uint64_t pending_offset = first_offset;
  const char* at = begin;
  bool joining = false;
  while (at < end && sink.has_room()) {
    const size_t left = static_cast<size_t>(end - at);
    const char* newline = static_cast<const char*>(std::memchr(at, '\n', left));
    if (newline == nullptr && !window.last) break;
    const char* const stop = newline == nullptr ? end : newline;
    const size_t room = static_cast<size_t>(end - stop) + simdjson::SIMDJSON_PADDING;
    const uint64_t offset = first_offset + static_cast<uint64_t>(at - begin);
    const char* const next = newline == nullptr ? end : newline + 1;
    const uint64_t raw_end = first_offset + static_cast<uint64_t>(next - begin);
    const Entry entry = parse({at, static_cast<size_t>(stop - at)}, room, window.now_ns);
    at = next;
    if (!entry.ours) {
      if (!joining) state.offset = raw_end;
      continue;
    }
    if (!joining) pending_offset = offset;
    if (!entry.complete) {
      pending.append(entry.text);
      joining = true;
      continue;
    }
    if (joining) {
      pending.append(entry.text);
      sink.line(pending, pending_offset, raw_end, entry.time_ns, true);
    } else {
      sink.line(entry.text, offset, raw_end, entry.time_ns, true);
    }
    pending.clear();
    joining = false;
    state.offset = raw_end;
  }
  const uint64_t read_end = first_offset + static_cast<uint64_t>(at - begin);
  if (joining && window.last && at == end) {
    sink.line(pending, pending_offset, read_end, window.now_ns, false);
    state.offset = read_end;
  } else if (window.full && state.offset == first_offset) {
    // One application line fills the window, or an entry that Docker would never write does.
    if (!joining && stream_ == "stdout") pending.assign(window.bytes);
    const uint64_t stop = joining ? read_end : first_offset + window.bytes.size();
    sink.parts(pending, pending_offset, stop, window.now_ns);
    state.offset = stop;
  }
}

}  // namespace longshore::agent
