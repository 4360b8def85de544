// A decoder finds the lines in a window of a source's file and hands them to the encoder.
//
//   Tail --window of bytes--> Decoder --Line--> shipper::RecordEncoder --> Chunk
//
// Decoders keep no bytes between calls: what is not consumed is read again, so that a position
// alone says where a source is. Two formats: plain lines, and the files of Docker's json-file log
// driver (with Podman's k8s-file lines, which call themselves json-file too).
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "config/declaration.h"
#include "config/ids.h"
#include "shipper/record/record_encoder.h"

namespace longshore::agent {

/// Where the decoder stands; the caller keeps it. `offset` and `part` as in SourceState.
struct DecodeState {
  uint64_t offset = 0;
  Position covered;
  uint32_t part = 0;
};

struct Window {
  std::string_view bytes;  ///< Of the file, from state.offset on; inside chunk.read.
  Position base;           ///< The stream position of the file's first byte.
  int64_t now_ns = 0;      ///< The event time of lines that do not say their own.
  uint32_t flags = 0;      ///< For the first record, e.g. kFlagGapBefore.
  bool full = false;       ///< The window is as large as it can be: its first line must give way.
  bool last = false;       ///< Nothing follows these bytes: an unterminated line is complete.
};

/// Thread: the lane's. One a source.
class Decoder {
 public:
  virtual ~Decoder() = default;

  /// Appends records to `chunk` until the window or the chunk's bounds (limits.h) are exhausted,
  /// and moves `state` behind the last line that was consumed. Never consumes less than one line
  /// of a window that is `full`.
  virtual void decode(const Window& window, DecodeState& state, shipper::RecordEncoder& encoder,
                      shipper::Chunk& chunk) = 0;
};

std::unique_ptr<Decoder> make_decoder(Stream stream);

}  // namespace longshore::agent
