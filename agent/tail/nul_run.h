// NULs that stand where a line should begin, or end. Their writer may still replace them: a file
// that was allocated in advance has NULs after its last line, and of two writers the one with the
// later place may be the first to write. So a tail passes NULs only
//
//   that have text after them, once it was there for a while;
//   that the file ends with, once no process writes to it any more.
//
// A run inside a line is text as long as the line fits a window. A longer one ends the line: that
// is a part of the file which was never written.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "agent/tail/cursor.h"
#include "agent/tail/zero_search.h"
#include "config/result.h"

namespace longshore::agent {

enum class Nuls : uint8_t {
  kSearched,  ///< The end of the run was not found yet: look again soon.
  kShort,     ///< Less than a block, with text after them.
  kLong,      ///< They end at end(), with text after them.
  kLast,      ///< The file ends with them, at end().
};

/// Thread: its lane's.
class NulRun {
 public:
  /// Looks at the run that begins at `offset` of the cursor's file, a bounded part of it at a time.
  /// Errors: kRetryable.
  Result<Nuls> look(int fd, const Cursor& cursor, uint64_t offset);
  uint64_t end() const { return end_; }

  /// NULs before this offset that have text after them may be passed.
  uint64_t settled() const { return settled_; }
  /// Whether text at `end` was there for long enough. If not, ask again at settles_at_ns().
  /// Errors: kRetryable.
  Result<bool> settles(int fd, uint64_t end, int64_t now_ns, int64_t wall_ns);
  int64_t settles_at_ns() const { return settles_at_ns_; }

  /// Another file, or another content, is read from now on.
  void forget() { *this = NulRun(); }

 private:
  std::unique_ptr<ZeroSearch> search_;
  uint64_t end_ = 0;
  uint64_t settled_ = 0;
  uint64_t seen_bytes_ = 0;    // The file's size when the wait began.
  int64_t settles_at_ns_ = 0;  // When settled_ becomes seen_bytes_; 0: nothing waits.
};

}  // namespace longshore::agent
