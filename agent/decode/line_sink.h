// LineSink turns one line of any length into the records that carry it, and keeps the chunk within
// its bounds.
//
//   TextLines, ContainerLog --line(), part()--> LineSink --Line--> shipper::RecordEncoder --> Chunk
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
  /// Whether a record was made.
  bool has_shipped() const { return shipped_; }

  /// A whole line, or the rest of one whose earlier parts were shipped. In the file, `text` begins
  /// at `line_offset` and its raw bytes end at `raw_end`.
  void line(std::string_view text, uint64_t line_offset, uint64_t raw_end, int64_t time_ns,
            bool terminated);

  /// A part of a line that is longer than the window; more of it follows. REQUIRES: `text` fits
  /// one record.
  void part(std::string_view text, uint64_t line_offset, uint64_t raw_end, int64_t time_ns);

  /// The same for a text of any length.
  void parts(std::string_view text, uint64_t line_offset, uint64_t raw_end, int64_t time_ns);

  /// Ships parts of a line that is begun, until the rest fits one record and `bytes_max`. At least
  /// one character stays, so that the end of the line has a record.
  void shorten(checkpoint::BegunLine& line, uint64_t raw_end, size_t bytes_max);

  /// How many bytes of `text` fit one record.
  size_t fitting(std::string_view text) const;

 private:
  void emit(shipper::Line& line, uint64_t raw_end);

  const Window& window_;
  DecodeState& state_;
  shipper::RecordEncoder& encoder_;
  shipper::Chunk& chunk_;
  uint32_t flags_;    // For the next record.
  size_t bytes_ = 0;  // Of the values so far.
  bool shipped_ = false;
};

}  // namespace longshore::agent
