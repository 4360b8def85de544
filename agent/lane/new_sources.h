// What the store does not know yet about the sources of a lane: that they exist, where they begin,
// and what a limit refused.
#pragma once

#include <utility>
#include <vector>

#include "checkpoint/store.h"
#include "config/ledger.h"
#include "config/result.h"

namespace longshore::agent {

/// Thread: its lane's.
class NewSources {
 public:
  explicit NewSources(checkpoint::Store& store) : store_(store) {}

  void add(checkpoint::SourceRow row) { rows_.push_back(std::move(row)); }
  /// A source begins at `at`, and `entries` record that in the ledger.
  void begins(checkpoint::PreparedSource at, std::vector<LedgerEntry> entries) {
    begun_.push_back({std::move(at), std::move(entries)});
  }
  /// For the ledger; no source and no record comes with it.
  void refused(LedgerEntry entry) { refusals_.push_back(std::move(entry)); }
  void forget_begun() { begun_.clear(); }

  /// Writes it to the store: soon after the sources were opened, so that a source which is rotated
  /// before its first transaction resumes with the file that was seen first, and at the latest
  /// before any of their records is produced. Errors: the store's; call again.
  Status store(LaneId lane);
  /// Whether store() has written ledger entries since it was asked last.
  bool take_wrote_ledger() { return std::exchange(wrote_ledger_, false); }
  /// The same of refusals, for which nothing else begins a transaction.
  bool take_wrote_refusals() { return std::exchange(wrote_refusals_, false); }

 private:
  struct Begun {
    checkpoint::PreparedSource at;
    std::vector<LedgerEntry> entries;
  };

  checkpoint::Store& store_;
  std::vector<checkpoint::SourceRow> rows_;
  std::vector<Begun> begun_;
  std::vector<LedgerEntry> refusals_;
  bool wrote_ledger_ = false, wrote_refusals_ = false;
};

}  // namespace longshore::agent
