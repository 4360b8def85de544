// A decoder finds the lines in a window of a source's file and turns them into records.
//
//   Tail --Window--> TextLines, ContainerLog --text of a line--> LineSink --Line--> RecordEncoder
//
// A decoder keeps no bytes between calls. Bytes that it did not consume are read again, so a
// position alone describes how far a source was read.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "config/declaration.h"
#include "config/ids.h"
#include "shipper/record/record_encoder.h"

namespace longshore::agent {

/// How far the decoder has come; the caller keeps it. The members are those of SourceState.
struct DecodeState {
  uint64_t offset = 0;
  Position covered;
  uint32_t part = 0;
};

struct Window {
  std::string_view bytes;  ///< Of the file, from state.offset on; inside chunk.read.
  Position base;           ///< The stream position of the file's first byte.
  int64_t now_ns = 0;      ///< The event time of lines without one.
  uint32_t flags = 0;      ///< For the first record, e.g. kFlagGapBefore.
  bool full = false;       ///< The window is as large as it can be: its first line must be split.
  bool last = false;       ///< Nothing follows these bytes: an unterminated line is complete.
};

/// Thread: the lane's. One for each source.
class Decoder {
 public:
  virtual ~Decoder() = default;

  /// Appends records to `chunk` until the window is used up or the chunk is full (limits.h), and
  /// moves `state` to the end of the last consumed line. From a `full` window it consumes at least
  /// a part of one line.
  virtual void decode(const Window& window, DecodeState& state, shipper::RecordEncoder& encoder,
                      shipper::Chunk& chunk) = 0;
};

std::unique_ptr<Decoder> make_decoder(Stream stream);

}  // namespace longshore::agent
