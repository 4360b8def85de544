// Looks for a run of zeros in a file, as a power loss leaves it where bytes were. How much there is
// to look at is up to whoever wrote the file, so it is done in bounded pieces: a hole is passed at
// once, and the rest goes on where it stopped.
#pragma once

#include <cstdint>

#include "checkpoint/file_identity.h"
#include "config/result.h"

namespace longshore::agent {

/// Thread: none of its own; a value.
class ZeroSearch {
 public:
  /// For the first run in `file` at or behind `from` that begins before `limit`.
  ZeroSearch(const checkpoint::FileIdentity& file, uint64_t from, uint64_t limit)
      : file_(file), from_(from), begin_(from), end_(from), limit_(limit) {}

  /// Looks on, about a MiB at most. Errors: kRetryable: the read failed.
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
  uint64_t begin_, end_;  // The zeros before `end_`, which is where it goes on.
  uint64_t limit_;
  bool done_ = false;
};

}  // namespace longshore::agent
