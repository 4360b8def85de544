// A decoder finds the lines in a window of a source's file and turns them into records.
//
//   Tail --Window--> TextLines, ContainerLog --text of a line--> LineSink --Line--> RecordEncoder
//
// A decoder keeps no bytes between calls. Bytes that it did not consume are read again. What it
// consumed of a line whose end is far away, or in the next file, is in DecodeState::begun.
//
// Not text, and in no record, though its range covers them: the newline of a line and a '\r' before
// it, a byte order mark at the beginning of a file, NULs before a line and at the end of a file.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "checkpoint/source_state.h"
#include "config/declaration.h"
#include "config/ids.h"
#include "shipper/record/record_encoder.h"

namespace longshore::agent {

/// How far the decoder has come; the caller keeps it. The members are those of SourceState.
struct DecodeState {
  uint64_t offset = 0;
  Position covered;
  uint32_t part = 0;
  checkpoint::BegunLine begun = {};
};

struct Window {
  std::string_view bytes;  ///< Of the file, from state.offset on; inside chunk.read.
  Position base;           ///< The stream position of the file's first byte.
  int64_t now_ns = 0;      ///< The event time of lines without one.
  uint32_t flags = 0;      ///< For the first record, e.g. kFlagGapBefore.
  uint32_t all_flags = 0;  ///< For each record, e.g. kFlagLate.
  bool full = false;       ///< The window is as large as it can be: its first line must be split.
  bool last = false;       ///< The file ends here: an unterminated line is complete.
  bool goes_on = false;    ///< With `last`: the next file goes on where this one ends.
  bool nuls_are_text = false;         ///< Those at the end of a full window.
  uint64_t settled = UINT64_MAX;      ///< NULs before this offset stay what they are.
  size_t begun_bytes_max = SIZE_MAX;  ///< Of DecodeState::begun; the rest is shipped in parts.
};

/// Thread: the lane's. One for each source.
class Decoder {
 public:
  virtual ~Decoder() = default;

  /// Appends records to `chunk` until the window is used up or the chunk is full (limits.h), and
  /// moves `state` to the end of the last consumed line. From a `full` window it consumes at least
  /// a part of one line, unless the window begins or ends with NULs: it stops before those that
  /// may still be replaced. An empty window with `last` ends the line that is begun.
  virtual void decode(const Window& window, DecodeState& state, shipper::RecordEncoder& encoder,
                      shipper::Chunk& chunk) = 0;
};

std::unique_ptr<Decoder> make_decoder(Stream stream);

}  // namespace longshore::agent
