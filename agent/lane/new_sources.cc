#include "agent/lane/new_sources.h"

namespace longshore::agent {

// There are thousands at the start and few ever after, so the vectors' memory is not kept (which
// "= {}" would do).
Status NewSources::store(LaneId lane) {
  if (!rows_.empty()) {
    if (Status stored = store_.put_sources(rows_); !stored) return stored;
    rows_ = decltype(rows_)();
  }
  if (!refusals_.empty()) {
    if (Status stored = store_.append_ledger(refusals_); !stored) return stored;
    refusals_ = decltype(refusals_)();
    wrote_ledger_ = wrote_refusals_ = true;
  }
  if (begun_.empty()) return ok();
  // A transaction that was prepared before we started may have been confirmed meanwhile.
  std::vector<checkpoint::PreparedSource> states;
  std::vector<LedgerEntry> ledger;
  for (const auto& [at, entries] : begun_) {
    const auto stored = store_.source(at.source);
    if (!stored) return stored.error();
    if (stored.value() && stored.value()->state.file != checkpoint::FileIdentity{}) continue;
    states.push_back(at);
    ledger.insert(ledger.end(), entries.begin(), entries.end());
  }
  if (!states.empty()) {
    if (Status stored = store_.advance(lane, states, ledger); !stored) return stored;
  }
  wrote_ledger_ = wrote_ledger_ || !ledger.empty();
  begun_ = decltype(begun_)();
  return ok();
}

}  // namespace longshore::agent
