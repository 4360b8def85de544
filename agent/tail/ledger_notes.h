// What happened to a source while a tail read it, for the ledger. The lane takes the notes and
// fills in source, lane and time.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "agent/tail/cursor.h"
#include "config/ledger.h"

namespace longshore::agent {

/// Thread: its lane's.
class LedgerNotes {
 public:
  explicit LedgerNotes(const Cursor& cursor) : cursor_(cursor) {}

  /// Notes `event` of the generation that the cursor is in.
  void note(LedgerEvent event, Range range, const char* reason = "", std::string detail = {}) {
    notes_.push_back({.time_ns = 0,
                      .source = {},
                      .lane = {},
                      .start = range.start,
                      .end = range.end,
                      .reason = reason,
                      .detail = std::move(detail),
                      .event = event,
                      .generation = cursor_.generation()});
  }
  void lost(Range range, const char* reason, std::string detail) {
    note(LedgerEvent::kLost, range, reason, std::move(detail));
  }

  std::vector<LedgerEntry> take() { return std::exchange(notes_, {}); }
  void clear() { notes_.clear(); }

 private:
  const Cursor& cursor_;
  std::vector<LedgerEntry> notes_;
};

}  // namespace longshore::agent
