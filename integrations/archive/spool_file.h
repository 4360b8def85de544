// A file of the archive while it grows: compressed, on a local disk, and unlinked, so a crash
// leaves nothing behind.
#pragma once

#include <memory>
#include <string>

#include "config/fd.h"
#include "integrations/archive/chain.h"
#include "integrations/archive/codec.h"

namespace longshore::archive {

struct SpoolOptions {
  std::string folder;
  Codec codec = Codec::kZstd;
  int level = 3;
};

/// Thread: one. Memory: a little more than kSpoolGatherBytes, and the compressor's.
class SpoolFile {
 public:
  /// A file that begins at offset `first`. Errors: kFull, kRetryable, kInvalid (folder).
  static Result<SpoolFile> open(const SpoolOptions& options, int64_t first, Hour hour,
                                int64_t now_ns);

  /// Append the next line here, then call added() with its offset.
  std::string& lines() { return lines_; }
  /// Errors: kFull, kRetryable.
  Status added(int64_t offset);
  /// Nothing may be added after this. Errors: as added().
  Status seal();

  Hour hour() const { return hour_; }
  int64_t opened_ns() const { return opened_ns_; }
  int64_t last() const { return last_; }
  /// Bytes written so far, compressed.
  int64_t bytes() const { return bytes_; }
  int64_t line_bytes() const { return line_bytes_; }
  /// REQUIRES: seal().
  SealedFile sealed() const;

 private:
  SpoolFile() = default;
  Status pack();
  Status write(std::string_view bytes);

  Fd fd_;
  std::unique_ptr<Encoder> encoder_;
  Codec codec_ = Codec::kZstd;
  std::string lines_;
  int64_t first_ = 0, last_ = -1;
  Hour hour_;
  int64_t opened_ns_ = 0;
  int64_t bytes_ = 0, line_bytes_ = 0;
};

}  // namespace longshore::archive
