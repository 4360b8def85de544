// A file of the archive while it grows: compressed, on a local disk, and unlinked, so a crash
// leaves nothing behind.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "config/fd.h"
#include "integrations/archive/chain.h"
#include "integrations/archive/codec.h"

namespace longshore::archive {

struct SpoolOptions {
  std::string folder;
  Codec codec = Codec::kZstd;
  int level = 3;
};

/// A record that came after a pause, or as the first: where a topic that was made anew meanwhile
/// may begin.
struct Resumption {
  kafka::RecordMark mark;
  int64_t lines = 0;  ///< Before it.
};

/// Thread: one. Memory: a little more than kSpoolGatherBytes, and the compressor's.
class SpoolFile {
 public:
  /// A file that begins at offset `first`. Errors: kFull, kRetryable, kInvalid (folder).
  static Result<SpoolFile> open(const SpoolOptions& options, int64_t first, Hour hour,
                                int64_t now_ns);

  /// Append the line of the next record here, then call added().
  std::string& lines() { return lines_; }
  /// Errors: kFull, kRetryable.
  Status added(const kafka::RecordMark& mark, int64_t now_ns);
  /// No record stands between the last one and `last`, which the file spans too.
  void extend(int64_t last) { last_ = std::max(last_, last); }
  /// Nothing may be added after this. Errors: as added().
  Status seal();

  Hour hour() const { return hour_; }
  int64_t opened_ns() const { return opened_ns_; }
  int64_t last() const { return last_; }
  /// Bytes written so far, compressed.
  int64_t bytes() const { return bytes_; }
  const std::vector<Resumption>& resumptions() const { return resumptions_; }
  /// REQUIRES: seal().
  SealedFile sealed() const;
  /// A sealed file of the lines before resumptions()[`at`]. REQUIRES: seal(), `at` > 0. Errors: as
  /// open(), kCorrupt.
  Result<SpoolFile> head(const SpoolOptions& options, size_t at) const;

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
  kafka::RecordMark mark_;  // Of the last record.
  std::vector<Resumption> resumptions_;
  int64_t opened_ns_ = 0, added_ns_ = 0;
  int64_t bytes_ = 0, line_count_ = 0;
};

}  // namespace longshore::archive
