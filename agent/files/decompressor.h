// Unpacks a compressed log, front to back: gzip (RFC 1952), zstd (RFC 8878), xz and bzip2. Several
// members one after the other are one log, as `zcat` shows it.
//
//   compressed bytes --step()--> bytes of the log
//
// The content is untrusted: memory for a window is bounded (limits.h), and how much may come out of
// it is bounded by the caller.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "config/result.h"

namespace longshore::agent {

enum class Compression : uint8_t { kNone, kGzip, kZstd, kXz, kBzip2 };

/// What the first bytes of a file say; six suffice.
Compression compression_of(std::string_view first_bytes);
/// "gzip".
const char* name_of(Compression compression);

/// Thread: its lane's.
class Decompressor {
 public:
  struct Step {
    size_t consumed = 0, produced = 0;
    bool at_end = false;  ///< A member is complete: the file may end here, or another one begins.
  };

  virtual ~Decompressor() = default;
  /// Unpacks some of `in`, at most `room` bytes. `last`: the file ends with `in`. A step that
  /// consumes and produces nothing needs more bytes. Errors: kCorrupt: damaged, or it wants more
  /// memory than a log may take; the bytes before that were given.
  virtual Result<Step> step(std::string_view in, bool last, char* out, size_t room) = 0;
};

/// REQUIRES: not kNone. Errors: kRetryable: no memory.
Result<std::unique_ptr<Decompressor>> make_decompressor(Compression compression);

}  // namespace longshore::agent
