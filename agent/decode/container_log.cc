#include "agent/decode/container_log.h"

#include <cstring>

#include "agent/decode/line_sink.h"
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
  entry.text = line.substr(stream_end + 3);
  return true;
}

ContainerLog::Entry ContainerLog::parse(std::string_view line, size_t room, int64_t now_ns) {
  Entry entry{.text = {}, .time_ns = now_ns, .ours = false, .complete = false};
  if (!line.empty() && line[0] == '{' && parse_json(line, room, entry)) return entry;
  if (!line.empty() && line[0] >= '0' && line[0] <= '9' && parse_cri(line, entry)) return entry;
  // Torn, or not an entry: shipped as it is, by the source of stdout only.
  return {.text = line, .time_ns = now_ns, .ours = stream_ == "stdout", .complete = true};
}

void ContainerLog::decode(const Window& window, DecodeState& state, shipper::RecordEncoder& encoder,
                          shipper::Chunk& chunk) {
  LineSink sink(window, state, encoder, chunk);
  // Records of format `raw` point to their unescaped text in the arena. It is never longer than
  // the entry it was read from, so the arena does not move while this window is decoded.
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
    // One line of the application fills the window, or an entry that no engine would write does.
    if (!joining && stream_ == "stdout") pending.assign(window.bytes);
    const uint64_t stop = joining ? read_end : first_offset + window.bytes.size();
    sink.parts(pending, pending_offset, stop, window.now_ns);
    state.offset = stop;
  }
}

}  // namespace longshore::agent
