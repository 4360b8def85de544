// When a generation that has a successor is closed: as soon as no process has its file open for
// writing, or after it has been quiet for the rotation's grace time. And when the last line of a
// source that has ended is complete.
#pragma once

#include <algorithm>
#include <cstdint>

#include "checkpoint/file_identity.h"
#include "config/limits.h"

namespace longshore::agent {

/// Thread: its lane's.
class ClosingWait {
 public:
  explicit ClosingWait(int64_t quiet_ns) : quiet_ns_(quiet_ns) {}

  /// The generation may be closed: all that it will ever hold can be read now.
  bool over() const { return over_; }
  /// The next file's wait begins.
  void restart() { *this = ClosingWait(quiet_ns_); }
  /// The same generation is read on from elsewhere: its end is not reached.
  void reopen() { over_ = false; }
  void grew(int64_t now_ns) { grew_at_ns_ = now_ns; }

  /// The file was read as far as it goes and has a successor. Returns when to ask again; 0: the
  /// wait is over.
  int64_t ask_again_ns(int fd, int64_t now_ns) {
    // A writer that was quiet for long still has to learn of the rotation.
    if (followed_at_ns_ == 0) followed_at_ns_ = now_ns;
    const int64_t quiet_at_ns = std::max(grew_at_ns_, followed_at_ns_) + quiet_ns_;
    over_ = now_ns >= quiet_at_ns || !checkpoint::has_writer(fd);
    return over_ ? 0 : std::min(quiet_at_ns, now_ns + limits::kWriterPollNs);
  }

 private:
  int64_t quiet_ns_;
  bool over_ = false;
  int64_t grew_at_ns_ = 0;      // When the file last had something new.
  int64_t followed_at_ns_ = 0;  // When it was first seen to have a successor.
};

/// A source that has ended and grows is written to by the next run of its container, which Docker's
/// events report later. Thread: its lane's.
class EndWait {
 public:
  /// The source has ended, and its newest file had `size_bytes`; 0: not known.
  void ended(uint64_t size_bytes) { size_bytes_ = size_bytes; }
  /// The newest file was read to `size_bytes`. Returns when to ask again whether its last line is
  /// complete; 0: it is.
  int64_t ask_again_ns(uint64_t size_bytes, int64_t now_ns) {
    if (size_bytes <= size_bytes_) return 0;
    if (size_bytes != grown_bytes_) {
      grown_bytes_ = size_bytes;
      grown_at_ns_ = now_ns;
    }
    const int64_t told_by_ns =
        grown_at_ns_ + (size_bytes_ == 0 ? limits::kRunUnknownNs : limits::kRunToldNs);
    if (now_ns < told_by_ns) return told_by_ns;
    size_bytes_ = size_bytes;
    return 0;
  }

 private:
  uint64_t size_bytes_ = 0;  // What was written before the end.
  uint64_t grown_bytes_ = 0;
  int64_t grown_at_ns_ = 0;
};

}  // namespace longshore::agent
