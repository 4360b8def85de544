// When a generation that has a successor is closed: as soon as no process has its file open for
// writing, or after it has been quiet for the rotation's grace time.
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

}  // namespace longshore::agent
