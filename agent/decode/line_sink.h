// LineSink turns one line of any length into the records that carry it, and keeps a chunk within
// its bounds. Both decoders end here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "agent/decode/decoder.h"

namespace longshore::agent {

/// Lives for one decode() call.
class LineSink {
 public:
  LineSink(const Window& window, DecodeState& state, shipper::RecordEncoder& encoder,
           shipper::Chunk& chunk);

  /// Whether the chunk has room for another line.
  bool has_room() const;

  /// A whole line (or its remainder, when earlier parts of it were shipped) whose raw bytes end at
  /// `raw_end` in the file; `line_offset` is where `text` begins there.
  void line(std::string_view text, uint64_t line_offset, uint64_t raw_end, int64_t time_ns,
            bool terminated);

  /// A part of a line that is too long for the window; more of it follows. `text` is shipped
  /// whole: REQUIRES that it fits one record.
  void part(std::string_view text, uint64_t line_offset, uint64_t raw_end, int64_t time_ns);

  /// The same for a text of any length.
  void parts(std::string_view text, uint64_t line_offset, uint64_t raw_end, int64_t time_ns);

  /// How much of `text` fits one record.
  size_t fitting(std::string_view text) const;

 private:
  void emit(shipper::Line& line, uint64_t raw_end);

  const Window& window_;
  DecodeState& state_;
  shipper::RecordEncoder& encoder_;
  shipper::Chunk& chunk_;
  uint32_t flags_;    // For the next record.
  size_t bytes_ = 0;  // Of the values so far.
};

}  // namespace longshore::agent
