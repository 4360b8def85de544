#include "agent/decode/container_log.h"

#include <cstring>

#include "agent/decode/line_sink.h"
#include "agent/decode/not_text.h"
#include "config/time_text.h"

namespace longshore::agent {

bool ContainerLog::parse_json(std::string_view line, size_t room, Entry& entry) {
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
    } else {
      const auto time_ns = parse_rfc3339(value);
      if (!time_ns) return false;
      entry.time_ns = *time_ns;
    }
  }
  entry.kind = Kind::kJson;
  return has_log && has_stream;
}

bool ContainerLog::parse_cri(std::string_view line, Entry& entry) const {
  const size_t time_end = line.find(' ');
  if (time_end == std::string_view::npos) return false;
  const size_t stream_end = line.find(' ', time_end + 1);
  if (stream_end == std::string_view::npos || stream_end + 2 >= line.size()) return false;
  const char tag = line[stream_end + 1];
  if ((tag != 'F' && tag != 'P') || line[stream_end + 2] != ' ') return false;
  const auto time_ns = parse_rfc3339(line.substr(0, time_end));
  if (!time_ns) return false;
  entry.time_ns = *time_ns;
  entry.ours = line.substr(time_end + 1, stream_end - time_end - 1) == stream_;
  entry.complete = tag == 'F';
  entry.kind = Kind::kCri;
  entry.text = line.substr(stream_end + 3);
  return true;
}

ContainerLog::Entry ContainerLog::parse(std::string_view line, size_t room, int64_t now_ns) {
  Entry entry{.text = {}, .time_ns = now_ns};
  if (!line.empty() && line[0] == '{' && parse_json(line, room, entry)) return entry;
  if (!line.empty() && line[0] >= '0' && line[0] <= '9' && parse_cri(line, entry)) return entry;
  // Torn, or not an entry: shipped as it is, by the source of stdout only.
  return {.text = line, .time_ns = now_ns, .ours = stream_ == "stdout", .complete = true};
}

bool ContainerLog::continues(const Joined& joined, const Entry& entry) {
  if (joined.line.empty()) return true;  // After parts of a line that is no entry.
  if (entry.kind == Kind::kJson) return entry.time_ns == joined.line.time_ns;
  return entry.kind == Kind::kCri;
}

// What was read of the line is all that there is.
void ContainerLog::end_line(Joined& joined, uint64_t raw_end, DecodeState& state, LineSink& sink) {
  const checkpoint::BegunLine& line = joined.line;
  if (!line.empty()) sink.line(line.text, line.offset, raw_end, line.time_ns, false);
  joined = {};
  state.part = 0;
  state.offset = raw_end;
}

// An entry of our stream.
void ContainerLog::take(const Entry& entry, uint64_t offset, uint64_t raw_end, Joined& joined,
                        DecodeState& state, LineSink& sink) {
  if (joined.is_open && !continues(joined, entry)) end_line(joined, offset, state, sink);
  if (joined.line.empty()) {
    joined.line.offset = offset;
    joined.line.time_ns = entry.time_ns;
  }
  if (!entry.complete) {
    joined.line.text.append(entry.text);
    joined.is_open = joined.is_ahead = true;
    return;
  }
  if (joined.line.empty()) {
    sink.line(without_cr(entry.text), offset, raw_end, entry.time_ns, true);
  } else {
    joined.line.text.append(entry.text);
    sink.line(without_cr(joined.line.text), joined.line.offset, raw_end, joined.line.time_ns, true);
  }
  joined = {};
  state.offset = raw_end;
}

void ContainerLog::decode(const Window& window, DecodeState& state, shipper::RecordEncoder& encoder,
                          shipper::Chunk& chunk) {
  LineSink sink(window, state, encoder, chunk);
  // Records of format `raw` point to their unescaped text in the arena. It is never longer than
  // the entries it was read from, so the arena does not move while this window is decoded.
  chunk.encoded.reserve(chunk.encoded.size() + state.begun.text.size() + window.bytes.size() * 2);
  Joined joined{.line = std::exchange(state.begun, {}), .is_open = state.part > 0};
  joined.is_open = joined.is_open || !joined.line.empty();
  joined.consumed = joined.line.text.size();
  const char* const begin = window.bytes.data();
  const char* const end = begin + window.bytes.size();
  const uint64_t first_offset = state.offset;
  const auto offset_of = [&](const char* byte) {
    return first_offset + static_cast<uint64_t>(byte - begin);
  };
  const auto pass = [&](const char* to) {  // Over what belongs to no record of ours.
    if (!joined.is_ahead) state.offset = offset_of(to);
  };
  const char* at = begin;
  while (at < end && sink.has_room()) {
    const size_t nuls = count_nuls({at, static_cast<size_t>(end - at)});
    const char* const line = at + nuls;
    if (line == end && !window.last) break;
    pass(line);
    const auto* newline =
        static_cast<const char*>(std::memchr(line, '\n', static_cast<size_t>(end - line)));
    if (newline == nullptr && !window.last) break;
    const char* const stop = newline == nullptr ? end : newline;
    const size_t room = static_cast<size_t>(end - stop) + simdjson::SIMDJSON_PADDING;
    const std::string_view text =
        without_bom({line, static_cast<size_t>(stop - line)}, offset_of(line));
    at = newline == nullptr ? end : newline + 1;
    const Entry entry =
        text.empty() && newline == nullptr ? Entry{} : parse(text, room, window.now_ns);
    if (entry.ours) {
      take(entry, offset_of(text.data()), offset_of(at), joined, state, sink);
    } else {
      pass(at);
    }
  }
  finish(window, first_offset, offset_of(at), joined, state, sink);
}

// Decides what becomes of a line whose end was not found.
void ContainerLog::finish(const Window& window, uint64_t first_offset, uint64_t read_end,
                          Joined& joined, DecodeState& state, LineSink& sink) const {
  const bool all_read = read_end == first_offset + window.bytes.size();
  const bool is_stuck = window.full && state.offset == first_offset && !sink.has_shipped();
  if (window.last && all_read && joined.is_open && !window.goes_on) {
    end_line(joined, read_end, state, sink);
  } else if (joined.is_ahead && (is_stuck || (window.last && all_read))) {
    sink.shorten(joined.line, read_end, window.begun_bytes_max);
    state.offset = read_end;
    joined.consumed = joined.line.text.size();
  } else if (is_stuck && (window.nuls_are_text || !window.bytes.ends_with('\0'))) {
    // No engine would write such an entry.
    if (!joined.line.empty()) end_line(joined, first_offset, state, sink);
    const uint64_t stop = first_offset + window.bytes.size();
    if (stream_ == "stdout") sink.parts(window.bytes, first_offset, stop, window.now_ns);
    state.offset = stop;
  }
  joined.line.text.resize(joined.consumed);
  state.begun = std::move(joined.line);
}

}  // namespace longshore::agent
