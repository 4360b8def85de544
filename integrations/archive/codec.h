// Compresses the lines of a file, and decompresses them.
#pragma once

#include <zlib.h>
#include <zstd.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "config/result.h"
#include "integrations/archive/archive_name.h"

namespace longshore::archive {

/// Where the output goes.
using Sink = std::function<Status(std::string_view)>;

/// Thread: one. Errors of every call: those of the sink.
class Encoder {
 public:
  /// zstd: each frame holds about this many bytes of lines, and can be read without the others.
  static constexpr size_t kFrameBytes = 4 << 20;

  virtual ~Encoder() = default;
  virtual Status add(std::string_view bytes, const Sink& sink) = 0;
  /// Nothing may be added after this.
  virtual Status finish(const Sink& sink) = 0;
};
std::unique_ptr<Encoder> make_encoder(Codec codec, int level);

/// Thread: one. Errors of every call: kCorrupt, and those of the sink.
class Decoder {
 public:
  virtual ~Decoder() = default;
  virtual Status add(std::string_view bytes, const Sink& sink) = 0;
  /// Errors: kCorrupt: the end is missing.
  virtual Status finish() = 0;
};
std::unique_ptr<Decoder> make_decoder(Codec codec);

}  // namespace longshore::archive
