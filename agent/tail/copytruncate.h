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
#include "agent/tail/cursor.h"
#include "agent/tail/generations.h"
#include "agent/tail/ledger_notes.h"

namespace longshore::agent {

/// Whether all that was read of the cursor's file, as far as its marks reach, is in `file` too.
bool holds_what_was_read(const OpenFile& file, const Cursor& cursor);

/// What `copy`, which stands beside the log, is to `log`, one of its files, of which the cursor may
/// have read.
CopyVerdict judge_copy(const OpenFile& copy, uint64_t size_bytes, const OpenFile& log,
                       const Cursor& cursor);

/// Whether `file` is a copy of what was read of a log before it was truncated.
bool was_copied(const OpenFile& file, uint64_t size_bytes, const checkpoint::Beginning& read);

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
  Copytruncate(Cursor& cursor, LedgerNotes& notes) : cursor_(cursor), notes_(notes) {}

  /// Whether a copy is wanted; true once for each truncation.
  bool take_wish() { return std::exchange(wished_, false); }
  /// Files that may be copies, oldest first; there may be none.
  void answer(std::vector<std::shared_ptr<const OpenFile>> copies);

  /// The file is truncated. Returns whether it is decided how to go on; asks for a copy the first
  /// time.
  bool decided(int64_t now_ns);
  /// When it will be decided even without an answer.
  int64_t deadline_ns() const { return deadline_ns_; }
  /// The copy that holds what was read, and the copies of later content after it; or none.
  /// REQUIRES: decided().
  std::vector<std::shared_ptr<const OpenFile>> take_copies();
  /// The file is as it was read after all: no copy is wanted any more.
  void forget();

  /// Without a copy: the rest that the file was seen to have is lost, and the file begins a new
  /// generation.
  void restart_file(int fd);
  /// The copy was read to its end, and the original is the next generation.
  void copy_finished();

 private:
  Cursor& cursor_;
  LedgerNotes& notes_;
  bool wished_ = false;
  bool answered_ = false;
  std::vector<std::shared_ptr<const OpenFile>> copies_;
  int64_t deadline_ns_ = 0;  // 0: nothing is asked.
};

}  // namespace longshore::agent
