// A log that was truncated, or written anew, under its inode. Rotation by copytruncate copies the
// log first, so its unread rest may still be in the copy. The tail asks for that copy, and goes on
// without one if no answer comes in time.
//
//   overlap differs --> wish --LookForCopy--> watch loop --CopiesFound--> answer --> copy, or
//   restart
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "agent/files/log_file.h"
#include "agent/link/messages.h"
#include "agent/tail/allowance.h"
#include "agent/tail/cursor.h"
#include "agent/tail/generations.h"
#include "config/limits.h"

namespace longshore::agent {

/// Whether all that was read of the cursor's file, as far as its marks reach, is in `file` too. Of
/// a compressed file, see archive_proof.h.
bool holds_what_was_read(const OpenFile& file, const Cursor& cursor);

/// What `copy`, which stands beside the log, is to `log`, one of its files, of which the cursor may
/// have read.
CopyVerdict judge_copy(const OpenFile& copy, uint64_t size_bytes, const OpenFile& log,
                       const Cursor& cursor);

/// Whether `file` is a copy of what was read of a log before it was truncated.
bool was_copied(const OpenFile& file, uint64_t size_bytes, const checkpoint::Beginning& read);
/// The same, of a log that was closed or truncated before: `ends` are what is left of it.
bool was_copied(const OpenFile& file, uint64_t size_bytes,
                const std::vector<checkpoint::ClosedEnd>& ends);

/// What tells the content of `file` again. Unknown if it cannot be read.
checkpoint::ClosedEnd content_of(const OpenFile& file, uint64_t size_bytes);

/// Whether the cursor's `file` still holds what was read of it, as far as its size and the bytes
/// before the offset tell.
bool is_as_read(const OpenFile& file, const Cursor& cursor);

/// Whether the log was replaced by a copy of itself that has grown, as mirrors do: `next` holds all
/// that was read of the cursor's file, which is gone. It may go on after that.
bool is_grown_copy(const Generation& next, const Cursor& cursor);

/// Whether copytruncate was met between its two steps: the cursor's file is the copy, and `next`,
/// of which it was made, is not truncated yet. A file rotated by renaming is older than its
/// successor.
bool is_original(const Generation& next, const Cursor& cursor);

/// Thread: its lane's.
class Copytruncate {
 public:
  explicit Copytruncate(Cursor& cursor) : cursor_(cursor) {}

  /// Whether a copy is wanted; true once for each truncation.
  bool take_wish() { return std::exchange(wished_, false); }
  /// Files that may be copies, oldest first; there may be none.
  void answer(std::vector<std::shared_ptr<const OpenFile>> copies);

  /// The file is truncated. Returns whether it is decided how to go on; asks for a copy the first
  /// time, unless it has asked too often: a look costs the watch loop a listing.
  bool decided(int64_t now_ns);
  /// When it will be decided even without an answer.
  int64_t deadline_ns() const { return deadline_ns_; }
  /// The youngest of the answered files that was not rejected; null: none is left. A rotator that
  /// died between copying and truncating leaves two copies with the same beginning: the younger one
  /// has more of the log. REQUIRES: decided().
  std::shared_ptr<const OpenFile> candidate() const {
    return candidates_ == 0 ? nullptr : copies_[candidates_ - 1];
  }
  /// The candidate does not hold what was read.
  void reject() { --candidates_; }
  /// The candidate, and the copies of later content after it; or none. REQUIRES: decided().
  std::vector<std::shared_ptr<const OpenFile>> take_copies();
  /// All that were answered.
  const std::vector<std::shared_ptr<const OpenFile>>& copies() const { return copies_; }
  /// The file is as it was read after all: no copy is wanted any more.
  void forget();

  /// Without a copy: the file begins a new generation.
  void restart_file(int fd);

 private:
  Cursor& cursor_;
  Allowance<limits::kCopyLooksMax, limits::kCopyLookNs> wishes_;
  bool wished_ = false;
  bool answered_ = false;
  std::vector<std::shared_ptr<const OpenFile>> copies_;
  size_t candidates_ = 0;    // Of copies_, the first ones.
  int64_t deadline_ns_ = 0;  // 0: nothing is asked.
};

}  // namespace longshore::agent
