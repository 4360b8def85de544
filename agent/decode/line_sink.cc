#include "agent/decode/line_sink.h"

#include <algorithm>

#include "config/limits.h"

namespace longshore::agent {

// A shorter line fits one record even if escaping makes it six times as long.
constexpr size_t kSurelyFits = limits::kRecordBytesMax / 8;

LineSink::LineSink(const Window& window, DecodeState& state, shipper::RecordEncoder& encoder,
                   shipper::Chunk& chunk)
    : window_(window), state_(state), encoder_(encoder), chunk_(chunk), flags_(window.flags) {}

bool LineSink::has_room() const {
  return chunk_.messages.size() < limits::kChunkRecordsMax && bytes_ < limits::kChunkBytesMax &&
         chunk_.encoded.size() < limits::kChunkBytesMax;
}

size_t LineSink::fitting(std::string_view text) const {
  return encoder_.fitting_prefix(text, limits::kRecordBytesMax);
}

void LineSink::line(std::string_view text, uint64_t line_offset, uint64_t raw_end, int64_t time_ns,
                    bool terminated) {
  if (text.size() > kSurelyFits) {
    // The raw range is cut where the text is cut. That need not be exact: together, the ranges of
    // all parts are the range of the line.
    for (size_t fits = fitting(text); fits < text.size(); fits = fitting(text)) {
      part(text.substr(0, fits), line_offset, raw_end - (text.size() - fits) - (terminated ? 1 : 0),
           time_ns);
      text.remove_prefix(fits);
      line_offset += fits;
    }
  }
  shipper::Line line;
  line.text = text;
  line.offset = line_offset;
  line.time_ns = time_ns;
  line.flags = terminated ? 0u : uint32_t{shipper::kFlagUnterminated};
  line.split = state_.part > 0;
  line.part = state_.part;
  line.last_part = line.split;
  emit(line, raw_end);
  state_.part = 0;
}

void LineSink::part(std::string_view text, uint64_t line_offset, uint64_t raw_end,
                    int64_t time_ns) {
  shipper::Line line;
  line.text = text;
  line.offset = line_offset;
  line.time_ns = time_ns;
  line.split = true;
  line.part = state_.part;
  emit(line, raw_end);
  ++state_.part;
}

void LineSink::parts(std::string_view text, uint64_t line_offset, uint64_t raw_end,
                     int64_t time_ns) {
  while (!text.empty()) {
    const size_t fits = fitting(text);
    part(text.substr(0, fits), line_offset, raw_end - (text.size() - fits), time_ns);
    text.remove_prefix(fits);
  }
}

void LineSink::shorten(checkpoint::BegunLine& line, uint64_t raw_end, size_t bytes_max) {
  std::string_view text = line.text;
  while (!text.empty()) {
    size_t cut = fitting(text);
    if (cut == text.size()) {
      if (text.size() <= bytes_max) break;
      --cut;
      while (cut > 0 && (static_cast<uint8_t>(text[cut]) & 0xC0) == 0x80) --cut;
      if (cut == 0) break;
    }
    part(text.substr(0, cut), line.offset, raw_end - (text.size() - cut), line.time_ns);
    text.remove_prefix(cut);
    line.offset += cut;
  }
  line.text.erase(0, line.text.size() - text.size());
}

void LineSink::emit(shipper::Line& line, uint64_t raw_end) {
  const char* const read = chunk_.read.data();
  const bool lies_in_read =
      line.text.data() >= read && line.text.data() <= read + chunk_.read.size();
  if (encoder_.format() == RecordFormat::kRaw && !lies_in_read) {
    // The decoder reserved the arena: it does not move, so earlier records stay valid.
    const size_t at = chunk_.encoded.size();
    chunk_.encoded.resize(at + line.text.size());
    std::copy_n(line.text.data(), line.text.size(), chunk_.encoded.data() + at);
    line.text = {chunk_.encoded.data() + at, line.text.size()};
  }
  line.flags |= flags_ | window_.all_flags;
  flags_ = 0;
  shipped_ = true;
  line.start = state_.covered;
  line.end = Position{window_.base.bytes + raw_end};
  bytes_ += line.text.size();
  encoder_.append(line, chunk_);
  state_.covered = line.end;
}

}  // namespace longshore::agent
