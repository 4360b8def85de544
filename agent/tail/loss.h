// What a tail cannot deliver: the cursor moves past it, and the ledger gets an entry that begins
// and ends where the records around it do.
#pragma once

#include <cstdint>
#include <string>

#include "agent/link/messages.h"
#include "agent/tail/cursor.h"
#include "agent/tail/ledger_notes.h"
#include "config/result.h"

namespace longshore::agent {

/// Thread: its lane's.
class Loss {
 public:
  Loss(Cursor& cursor, LedgerNotes& notes) : cursor_(cursor), notes_(notes) {}

  /// The file being read is gone, and its successor is there.
  void current_file_gone();
  /// The file was deleted while no agent had it open. If it comes back after all, it is read on
  /// from the same offset at new positions.
  void deleted_unseen();
  /// The file is deleted and over the budget: its bytes up to `size_bytes` are given up.
  void over_budget(uint64_t size_bytes);
  /// Generations between this one and its predecessor were never seen, or perhaps.
  /// REQUIRES: `step` is not kAdjacent.
  void generations_unseen(Step step);

  /// The present file is gone, and nothing of it was read: a compressed file is taken for it.
  void replaced_unread();
  /// A compressed file that may never have been read is older than the present one.
  void older_left_out();
  /// The compressed file cannot be unpacked further.
  void archive_broken(const std::string& why);

  /// Reading at `at_offset` failed. Returns when to read again (monotonic ns); after a minute of
  /// failures it passes over the rest of the unreadable block and gives 0.
  int64_t read_failed(const Error& error, uint64_t at_offset, int64_t now_ns);
  /// Whether reading has failed for a minute.
  bool fails_for_long(int64_t now_ns);
  void read_succeeded() { failing_since_ns_ = 0; }

 private:
  void lose_rest(const char* reason, const std::string& what);

  Cursor& cursor_;
  LedgerNotes& notes_;
  int64_t failing_since_ns_ = 0;  // When reading at the present offset failed first; 0: it works.
};

}  // namespace longshore::agent
