// What the host going down did to a file. Its unsynced end is lost: the file is shorter than it
// was, or zeros stand where bytes were. All bytes read before the loss were shipped, so reading
// goes on after those of them that are left.
//
//   before the offset   overlap differs --> resume(): by zeros, else by marks
//   after the offset    look_ahead() --> clear_bytes() may be read, then pass_zeros()
//
// Zeros show exactly where the loss ends. Without them the marks do, to within one span: reading
// begins again at the last line that they prove whole, and the ledger names what may come twice.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "agent/tail/cursor.h"
#include "agent/tail/ledger_notes.h"
#include "agent/tail/zero_search.h"
#include "config/ids.h"
#include "config/result.h"

namespace longshore::agent {

/// Thread: its lane's.
class PowerLoss {
 public:
  PowerLoss(Boots boots, Cursor& cursor, LedgerNotes& notes)
      : boots_(boots), cursor_(cursor), notes_(notes) {}

  uint64_t this_boot() const { return boots_.now; }

  /// The file's overlap was found unchanged: whatever changes it from now on is no power loss.
  void found_intact() { intact_ = cursor_.file(); }
  /// Whether the host going down explains that the overlap is not as it was read.
  bool explains_change() const { return rebooted() && intact_ != cursor_.file(); }
  /// The file was truncated: drops what was found after the offset.
  void forget_ahead() { ahead_.reset(); }
  void rewind() { intact_ = {}; }

  /// Goes on after what is left before the offset. Looks at a bounded part of the file: false, call
  /// again soon. Errors: kRetryable; nothing moved.
  Result<bool> resume(int fd);

  /// Called before anything is read. Checks whether all that was seen after the offset is still
  /// there, and where zeros begin, at least as far as a window of `window_bytes`. True: the file is
  /// shorter than it was, and the ledger has an entry about it. The file counts as seen in this
  /// boot once all of it was looked at, unless it `has_next`. Errors: kRetryable.
  Result<bool> look_ahead(int fd, size_t window_bytes, bool has_next);
  /// How many bytes after the offset certainly come before any zeros of a power loss.
  uint64_t clear_bytes() const;
  /// Whether a run of zeros whose end is known follows the clear bytes; otherwise more of the file
  /// has to be searched.
  bool zeros_follow() const { return ahead_ != nullptr && ahead_->done(); }
  /// Goes on after the zeros, which begin at the offset. Errors: kRetryable; nothing moved.
  Status pass_zeros(int fd);

 private:
  bool rebooted() const {
    return boots_.now != 0 && cursor_.boot() != 0 && cursor_.boot() != boots_.now;
  }
  Status resume_after_zeros(int fd, const ZeroSearch& zeros);
  Status resume_at_line(int fd, uint64_t proven);
  void resume_at(uint64_t offset, Proof proof);

  const Boots boots_;
  Cursor& cursor_;
  LedgerNotes& notes_;
  checkpoint::FileIdentity intact_;  // Since the last rewind.
  // Zeros after the offset, and between what the marks prove and the offset. They outlive a
  // rewind: what was found of a file stays true.
  std::unique_ptr<ZeroSearch> ahead_, behind_;
};

}  // namespace longshore::agent
