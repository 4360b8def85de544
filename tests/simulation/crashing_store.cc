#include "tests/simulation/crashing_store.h"

namespace longshore::simulation {

template <typename Outcome, typename Change>
Outcome CrashingStore::change(const char* what, Change change) {
  timeline_.seam(what);
  Random& random = timeline_.random();
  if (dead_) return Error{ErrorCode::kFatal, "the store's handle is dead"};
  if (!timeline_.calm() && random.chance(faults_.full)) {
    timeline_.trace("store: {} finds the disk full", what);
    return Error{ErrorCode::kRetryable, "the disk is full"};
  }
  if (!timeline_.calm() && random.chance(faults_.fatal)) {
    dead_ = true;
    if (random.chance(0.5)) static_cast<void>(change());
    timeline_.trace("store: {} fails to sync", what);
    return Error{ErrorCode::kFatal, "fsync failed"};
  }
  Outcome outcome = change();
  timeline_.trace("store: {}{}", what, outcome ? "" : ": " + outcome.error().message);
  timeline_.seam(what);
  return outcome;
}

Status CrashingStore::put_sources(const std::vector<checkpoint::SourceRow>& rows) {
  return change<Status>("put_sources", [&] { return store_.put_sources(rows); });
}

Result<size_t> CrashingStore::forget_gone(LaneId lane, int64_t before_ns,
                                          checkpoint::Unshipped losses) {
  return change<Result<size_t>>("forget_gone",
                                [&] { return store_.forget_gone(lane, before_ns, losses); });
}

Status CrashingStore::start_over(const std::string& cluster_id) {
  return change<Status>("start_over", [&] { return store_.start_over(cluster_id); });
}

Status CrashingStore::forget(const std::vector<SourceId>& sources) {
  return change<Status>("forget", [&] { return store_.forget(sources); });
}

Result<std::string> CrashingStore::prepare(const checkpoint::Prepare& prepare) {
  return change<Result<std::string>>("prepare", [&] { return store_.prepare(prepare); });
}

Status CrashingStore::confirm(LaneId lane) {
  return change<Status>("confirm", [&] { return store_.confirm(lane); });
}

Status CrashingStore::drop_prepared(LaneId lane) {
  return change<Status>("drop_prepared", [&] { return store_.drop_prepared(lane); });
}

Status CrashingStore::step_back(LaneId lane) {
  return change<Status>("step_back", [&] { return store_.step_back(lane); });
}

Status CrashingStore::offset_committed(LaneId lane) {
  return change<Status>("offset_committed", [&] { return store_.offset_committed(lane); });
}

Status CrashingStore::adopt(LaneId lane, const checkpoint::CommittedOffset& kafka) {
  return change<Status>("adopt", [&] { return store_.adopt(lane, kafka); });
}

Status CrashingStore::advance(LaneId lane, const std::vector<checkpoint::PreparedSource>& sources,
                              const std::vector<LedgerEntry>& ledger) {
  return change<Status>("advance", [&] { return store_.advance(lane, sources, ledger); });
}

Status CrashingStore::probe(size_t bytes) {
  return change<Status>("probe", [&] { return store_.probe(bytes); });
}

Status CrashingStore::append_ledger(const std::vector<LedgerEntry>& entries) {
  return change<Status>("append_ledger", [&] { return store_.append_ledger(entries); });
}

Status CrashingStore::set_value(const std::string& name, const std::string& value) {
  return change<Status>("set_value", [&] { return store_.set_value(name, value); });
}

}  // namespace longshore::simulation
