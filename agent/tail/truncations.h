// What the ledger says of a log that is truncated, once or each second: the first time at once,
// then one entry for all that came since, at growing intervals. What waits for the next entry
// stands in the state, so that no crash forgets it; each record after a truncation has its flag
// anyway.
//
//   unread bytes were seen     lost: their range
//   all that was seen is read  doubt: something may have been written just before the truncation
#pragma once

#include <cstdint>
#include <string>

#include "agent/tail/allowance.h"
#include "agent/tail/cursor.h"
#include "agent/tail/ledger_notes.h"
#include "config/limits.h"

namespace longshore::agent {

/// Thread: its lane's.
class Truncations {
 public:
  Truncations(Cursor& cursor, LedgerNotes& notes) : cursor_(cursor), notes_(notes) {}

  /// The cursor's file was truncated or rewritten, and has `size_bytes` now.
  void truncated(uint64_t size_bytes, int64_t now_ns);
  /// A copy of the log was read to its end, and the log was truncated after it was copied.
  void copied(int64_t now_ns);

  /// Notes those that wait, if it is time or `at_once`. Returns whether there were any.
  bool settle(bool at_once, int64_t now_ns);
  /// What was noted since the last confirmation is undone.
  void rewind() { noted_ns_ = 0; }
  /// When to call settle() at the latest; 0: none waits.
  int64_t due_at_ns() const;

 private:
  void doubt(uint64_t lost_bytes, const std::string& detail, int64_t now_ns);
  void noted(int64_t now_ns);

  Cursor& cursor_;
  LedgerNotes& notes_;
  Allowance<limits::kTruncatedRangesMax, limits::kTruncatedRangeNs> ranges_;
  int64_t noted_ns_ = 0;  // When the last entry was made; 0: not in this life of the agent.
  int64_t wait_ns_ = 0;   // From then to the next one.
};

}  // namespace longshore::agent
