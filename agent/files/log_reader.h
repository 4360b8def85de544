// Reads open log files of any format at offsets of the log. Plain files are read as they are.
// Unpackers are few: those that were used last are kept, and a file that lost its own begins at the
// front again, so a tail that waits for its topic cannot keep others from theirs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/files/archive_reader.h"
#include "agent/files/log_file.h"
#include "config/result.h"

namespace longshore::agent {

/// What stands at an offset.
struct LogBytes {
  std::string_view bytes;     ///< In the caller's buffer.
  bool at_end = false;        ///< The file ends with them, as far as it was written.
  bool is_complete = false;   ///< Compressed: nothing can follow them.
  int64_t again_at_ns = 0;    ///< Not 0: there may be more, ask again then.
  std::string broken;         ///< Compressed: why nothing more can be had.
  bool is_cut_short = false;  ///< It is broken because it ends too early: it may still be written.
};

/// Thread: its lane's. Shared by the tails of a lane.
class LogReader {
 public:
  /// Reads up to `bytes` at `offset` into `into`. Errors: kRetryable.
  Result<LogBytes> read(const std::shared_ptr<const OpenFile>& file, uint64_t offset, size_t bytes,
                        char* into, int64_t now_ns);
  /// Nothing more is read of it soon.
  void release(const OpenFile& file);

 private:
  struct Unpacker {
    std::unique_ptr<ArchiveReader> reader;
    int64_t used_ns = 0;
  };
  ArchiveReader* unpacker_of(const std::shared_ptr<const OpenFile>& file, int64_t now_ns);

  std::vector<Unpacker> unpackers_;
};

}  // namespace longshore::agent
