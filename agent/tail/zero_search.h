// Looks for a run of zeros in a file, which a power loss leaves where bytes were. The file's writer
// decides how much there is to search, so each call searches a bounded piece. It skips a hole at
// once, and the next call goes on where this one stopped.
#pragma once

#include <cstdint>

#include "checkpoint/file_identity.h"
#include "config/result.h"

namespace longshore::agent {

/// Thread: none of its own; a value.
class ZeroSearch {
 public:
  /// Searches `file` for the first run that begins in [from, limit).
  ZeroSearch(const checkpoint::FileIdentity& file, uint64_t from, uint64_t limit)
      : file_(file), from_(from), begin_(from), end_(from), limit_(limit) {}

  /// Looks at about one more MiB. Errors: kRetryable: the read failed.
  Status look_on(int fd);

  bool done() const { return done_; }
  /// The run [begin, end) is there, and known whole.
  bool found() const { return done_ && end_ > begin_; }
  /// No run begins between from() and here.
  uint64_t begin() const { return begin_; }
  uint64_t end() const { return end_; }
  uint64_t from() const { return from_; }
  uint64_t limit() const { return limit_; }
  const checkpoint::FileIdentity& file() const { return file_; }

 private:
  void take(char byte);

  checkpoint::FileIdentity file_;
  uint64_t from_;
  uint64_t begin_, end_;  // [begin, end) are zeros; the search goes on at `end`.
  uint64_t limit_;
  bool done_ = false;
};

}  // namespace longshore::agent
