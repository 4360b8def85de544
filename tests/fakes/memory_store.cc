#include "tests/fakes/memory_store.h"

#include <cassert>

namespace longshore::fakes {

using checkpoint::CommittedOffset;
using checkpoint::LaneRecord;
using checkpoint::Prepare;
using checkpoint::PreparedSource;
using checkpoint::SourceRow;
using checkpoint::StoredSource;

// The start of every changing call: whether it is one that fails.
Status MemoryStore::change() {
  ++changes_;
  if (every_) return Error{*every_, "The memory store was told to fail."};
  if (!fault_) return ok();
  if (fault_->calls-- > 0) return ok();
  const ErrorCode code = fault_->code;
  fault_.reset();
  return Error{code, "The memory store was told to fail once."};
}

MemoryStore::MemoryLane& MemoryStore::lane_of(LaneId lane) {
  MemoryLane& found = lanes_[lane];
  if (found.digests.empty()) found.digests[0] = "0:memory" + std::to_string(++nonces_);
  return found;
}

StoredSource MemoryStore::stored(const SourceRow& row) {
  StoredSource stored{row, {}};
  const auto lane = lanes_.find(row.lane);
  if (lane == lanes_.end()) return stored;
  const Versions& versions = states_[row.id];
  const auto behind = versions.upper_bound(lane->second.confirmed);
  if (behind != versions.begin()) stored.state = std::prev(behind)->second.state;
  return stored;
}

void MemoryStore::erase_versions(LaneId lane, uint64_t number) {
  for (auto& [source, versions] : states_) {
    const auto version = versions.find(number);
    if (version != versions.end() && version->second.lane == lane) versions.erase(version);
  }
}

Result<LaneRecord> MemoryStore::lane(LaneId lane) {
  const MemoryLane& found = lane_of(lane);
  const auto digest = [&found](uint64_t number) {
    const auto at = found.digests.find(number);
    return at == found.digests.end() ? std::string() : at->second;
  };
  LaneRecord record;
  record.confirmed = {found.confirmed};
  record.confirmed_digest = digest(found.confirmed);
  if (found.confirmed > 0) record.previous_digest = digest(found.confirmed - 1);
  if (found.prepared) {
    record.prepared = TransactionNumber{*found.prepared};
    record.prepared_digest = digest(*found.prepared);
  }
  record.is_new = found.is_new;
  return record;
}

Result<std::vector<LaneId>> MemoryStore::lanes() {
  std::vector<LaneId> lanes;
  for (const auto& [id, lane] : lanes_) lanes.push_back(id);
  return lanes;
}

Result<std::vector<StoredSource>> MemoryStore::sources(LaneId lane) {
  std::vector<StoredSource> sources;
  for (const auto& [id, row] : rows_) {
    if (row.lane == lane) sources.push_back(stored(row));
  }
  return sources;
}

Result<std::optional<StoredSource>> MemoryStore::source(SourceId source) {
  const auto row = rows_.find(source);
  if (row == rows_.end()) return std::optional<StoredSource>();
  return std::optional<StoredSource>(stored(row->second));
}

Result<std::vector<PreparedSource>> MemoryStore::prepared(LaneId lane) {
  std::vector<PreparedSource> prepared;
  const MemoryLane& found = lane_of(lane);
  if (!found.prepared) return prepared;
  for (const auto& [source, versions] : states_) {
    const auto version = versions.find(*found.prepared);
    if (version == versions.end() || version->second.lane != lane) continue;
    prepared.push_back({source, version->second.state});
  }
  return prepared;
}

Status MemoryStore::put_sources(const std::vector<SourceRow>& rows) {
  if (Status changed = change(); !changed) return changed;
  for (const SourceRow& row : rows) rows_[row.id] = row;
  return ok();
}

Result<size_t> MemoryStore::forget_gone(LaneId lane, int64_t before_ns,
                                        checkpoint::Unshipped losses) {
  const auto confirmed = static_cast<int64_t>(lane_of(lane).confirmed);
  std::erase_if(ledger_, [&](const MemoryEntry& known) {
    const bool for_good = known.shipped != 0 && known.shipped + 2 <= confirmed;
    return known.entry.lane == lane && known.entry.time_ns < before_ns &&
           (losses == checkpoint::Unshipped::kForget || for_good || !known.entry.is_kept());
  });
  std::vector<SourceId> gone;
  for (const auto& [id, row] : rows_) {
    if (row.lane == lane && row.gone_ns != 0 && row.gone_ns < before_ns) gone.push_back(id);
  }
  if (gone.empty()) return size_t{0};
  if (Status forgotten = forget(gone); !forgotten) return forgotten.error();
  return gone.size();
}

Status MemoryStore::start_over(const std::string& cluster_id) {
  if (Status changed = change(); !changed) return changed;
  if (values_["cluster_id"] == cluster_id) return ok();
  rows_.clear();
  states_.clear();
  values_["cluster_id"] = cluster_id;
  return ok();
}

Status MemoryStore::forget(const std::vector<SourceId>& sources) {
  if (Status changed = change(); !changed) return changed;
  for (const SourceId source : sources) {
    rows_.erase(source);
    states_.erase(source);
  }
  return ok();
}

Result<std::string> MemoryStore::prepare(const Prepare& prepare) {
  if (Status changed = change(); !changed) return changed.error();
  MemoryLane& lane = lane_of(prepare.lane);
  const uint64_t number = prepare.number.value;
  if (lane.prepared && *lane.prepared + 1 == number) {
    lane.confirmed = *lane.prepared;
    lane.is_new = false;
    lane.prepared.reset();
  }
  assert(!lane.prepared && lane.confirmed + 1 == number);
  lane.prepared = number;
  for (const PreparedSource& source : prepare.sources) {
    states_[source.source][number] = {prepare.lane, source.state};
  }
  put_ledger(prepare.lane, number, static_cast<int64_t>(number), prepare.ledger);
  lane.digests[number] = std::to_string(number) + ":memory" + std::to_string(++nonces_);
  while (lane.digests.begin()->first + 2 < number) lane.digests.erase(lane.digests.begin());
  return lane.digests[number];
}

Status MemoryStore::confirm(LaneId lane) {
  if (Status changed = change(); !changed) return changed;
  MemoryLane& found = lane_of(lane);
  if (!found.prepared) return ok();
  found.confirmed = *found.prepared;
  found.prepared.reset();
  found.is_new = false;
  return ok();
}

Status MemoryStore::drop_prepared(LaneId lane) {
  if (Status changed = change(); !changed) return changed;
  MemoryLane& found = lane_of(lane);
  if (!found.prepared) return ok();
  erase_versions(lane, *found.prepared);
  drop_ledger(lane, *found.prepared);
  found.digests.erase(*found.prepared);
  found.prepared.reset();
  return ok();
}

Status MemoryStore::step_back(LaneId lane) {
  if (Status changed = change(); !changed) return changed;
  MemoryLane& found = lane_of(lane);
  assert(!found.prepared && found.confirmed > 0);
  erase_versions(lane, found.confirmed);
  drop_ledger(lane, found.confirmed);
  found.digests.erase(found.confirmed);
  --found.confirmed;
  return ok();
}

Status MemoryStore::offset_committed(LaneId lane) {
  if (Status changed = change(); !changed) return changed;
  lane_of(lane).is_new = false;
  return ok();
}

Status MemoryStore::adopt(LaneId lane, const CommittedOffset& kafka) {
  if (!kafka.number) {
    return Error{ErrorCode::kInvalid, "Kafka has no committed offset of this lane to adopt."};
  }
  if (Status changed = change(); !changed) return changed;
  MemoryLane& found = lane_of(lane);
  for (auto& [source, versions] : states_) {
    const auto behind = versions.upper_bound(found.confirmed);
    Versions kept;
    if (behind != versions.begin()) kept[kafka.number->value] = std::prev(behind)->second;
    const bool ours = !versions.empty() && versions.begin()->second.lane == lane;
    if (ours) versions = std::move(kept);
  }
  const uint64_t was = found.confirmed;
  found.confirmed = kafka.number->value;
  found.prepared.reset();
  found.is_new = false;
  found.digests = {{found.confirmed, kafka.digest}};
  std::erase_if(ledger_, [&](const MemoryEntry& known) {
    return known.entry.lane == lane && known.born > was;
  });
  for (MemoryEntry& known : ledger_) {
    if (known.entry.lane != lane) continue;
    known.born = 0;
    known.shipped = known.shipped != 0 && known.shipped <= static_cast<int64_t>(was) ? -1 : 0;
  }
  return ok();
}

Status MemoryStore::advance(LaneId lane, const std::vector<PreparedSource>& sources,
                            const std::vector<LedgerEntry>& ledger) {
  if (Status changed = change(); !changed) return changed;
  const uint64_t confirmed = lane_of(lane).confirmed;
  for (const PreparedSource& source : sources) {
    states_[source.source][confirmed] = {lane, source.state};
  }
  put_ledger(lane, 0, -1, ledger);
  return ok();
}

void MemoryStore::put_ledger(LaneId lane, uint64_t born, int64_t number,
                             const std::vector<LedgerEntry>& entries) {
  for (const LedgerEntry& entry : entries) {
    if (entry.id == 0) {
      ledger_.push_back({entry, born, entry.shipped ? number : 0});
      ledger_.back().entry.id = ++ledger_ids_;
      continue;
    }
    for (MemoryEntry& known : ledger_) {
      if (known.entry.id == entry.id && entry.shipped) known.shipped = number;
    }
  }
  std::erase_if(ledger_, [&](const MemoryEntry& known) {
    return known.entry.lane == lane && known.shipped != 0 && known.shipped + 2 <= number &&
           !known.entry.is_kept();
  });
}

void MemoryStore::drop_ledger(LaneId lane, uint64_t number) {
  std::erase_if(ledger_, [&](const MemoryEntry& known) {
    return known.entry.lane == lane && known.born == number;
  });
  for (MemoryEntry& known : ledger_) {
    if (known.entry.lane == lane && known.shipped == static_cast<int64_t>(number)) {
      known.shipped = 0;
    }
  }
}

Status MemoryStore::probe(size_t) { return ok(); }

Status MemoryStore::append_ledger(const std::vector<LedgerEntry>& entries) {
  if (Status changed = change(); !changed) return changed;
  for (const LedgerEntry& entry : entries) put_ledger(entry.lane, 0, 0, {entry});
  return ok();
}

Result<std::vector<LedgerEntry>> MemoryStore::ledger() {
  std::vector<LedgerEntry> entries;
  for (const MemoryEntry& known : ledger_) {
    entries.push_back(known.entry);
    entries.back().shipped = known.shipped != 0;
  }
  return entries;
}

Result<std::vector<LedgerEntry>> MemoryStore::unshipped(LaneId lane, size_t entries_max) {
  std::vector<LedgerEntry> entries;
  for (const MemoryEntry& known : ledger_) {
    if (known.entry.lane != lane || known.shipped != 0 || entries.size() == entries_max) continue;
    entries.push_back(known.entry);
    entries.back().shipped = false;
  }
  return entries;
}

Result<std::string> MemoryStore::value(const std::string& name) {
  const auto found = values_.find(name);
  return found == values_.end() ? std::string() : found->second;
}

Status MemoryStore::set_value(const std::string& name, const std::string& value) {
  if (Status changed = change(); !changed) return changed;
  values_[name] = value;
  return ok();
}

}  // namespace longshore::fakes
