// The ledger's part in a transaction: what its sources have to say goes to the ledger's topic with
// their records, and into the checkpoint with their states.
#include <spdlog/spdlog.h>

#include <algorithm>

#include "agent/lane/lane.h"
#include "config/limits.h"
#include "shipper/record/ledger_record.h"

namespace longshore::agent {
namespace {

constexpr size_t kRecordBytesUsual = 400;  // Of the ledger.

}  // namespace

void Lane::take_events(LaneSource& source) {
  for (LedgerEntry& entry : source.tail.take_events()) {
    if (entry.is_loss()) {
      spdlog::warn("{} ({}): {}: {}", source.spec->host_path, to_string(source.spec->id),
                   entry.reason, entry.detail);
    } else if (options_.ledger_topic.empty()) {
      continue;
    }
    entry.time_ns = clock_.wall_ns();
    entry.source = source.spec->id;
    entry.lane = options_.lane;
    source.ledger.push_back(std::move(entry));
  }
}

// Where the ledger's records go; null while its topic cannot take them: they wait in the checkpoint
// then, and nothing else waits for them.
Destination* Lane::ledger_destination() {
  if (options_.ledger_topic.empty()) return nullptr;
  const int64_t now = clock_.monotonic_ns();
  if (open_ && !may_join(options_.ledger_topic)) return nullptr;
  const auto found =
      destinations_.find(options_.ledger_topic, SourceId{options_.lane.value}, -1, now);
  if (!found || found.value()->parked_until_ns > now) return nullptr;
  found.value()->parked_until_ns = 0;
  return found.value();
}

Status Lane::load_waiting_ledger() {
  auto waiting = store_.unshipped(options_.lane, limits::kChunkRecordsMax);
  if (!waiting) return waiting.error();
  waiting_ledger_ = std::move(waiting).value();
  return ok();
}

shipper::Envelope Lane::envelope_of(SourceId id) {
  const auto known = sources_.find(id);
  if (known != nullptr) return sources_.envelope_of(*known->spec);
  shipper::Envelope envelope{.source = id, .host_name = sources_.host_name()};
  if (id == SourceId{}) return envelope;
  const auto stored = store_.source(id);
  if (!stored || !stored.value()) return envelope;
  const checkpoint::SourceRow& row = stored.value()->row;
  envelope.name = row.name;
  envelope.path = row.stream.empty() ? row.host_path : row.stream;
  envelope.container_id = row.container_id;
  envelope.container_name = row.container_name;
  return envelope;
}

std::string Lane::topic_of(SourceId id) {
  if (const auto known = sources_.find(id)) {
    const std::string& declared = known->spec->declaration->topic;
    return declared.empty() ? options_.default_topic : declared;
  }
  if (id == SourceId{}) return {};
  const auto stored = store_.source(id);
  return stored && stored.value() ? stored.value()->state.topic : std::string();
}

// All entries that belong to the open transaction: older ones that wait, and those of its sources.
std::vector<LedgerEntry> Lane::ledger_of_transaction() const {
  std::vector<LedgerEntry> entries = waiting_ledger_;
  for (const LaneSource* source : sources_.moved()) {
    entries.insert(entries.end(), source->ledger.begin(), source->ledger.end());
  }
  return entries;
}

Status Lane::produce_ledger(std::vector<LedgerEntry>& entries) {
  if (entries.empty()) return ok();
  Destination* const to = ledger_destination();
  if (to == nullptr) return ok();
  for (size_t first = 0; first < entries.size(); first += limits::kChunkRecordsMax) {
    if (pool_.is_full()) {
      if (Status flushed = flush(); !flushed) return flushed;
    }
    const size_t end = std::min(entries.size(), first + limits::kChunkRecordsMax);
    shipper::Chunk* const chunk = pool_.lend((end - first) * kRecordBytesUsual);
    for (size_t i = first; i < end; ++i) {
      append_ledger_record(entries[i], envelope_of(entries[i].source), topic_of(entries[i].source),
                           *chunk);
      entries[i].shipped = true;
    }
    finish_ledger_records(*chunk);
    if (Status produced = hand_over(*chunk, *to); !produced) return produced;
  }
  return ok();
}

}  // namespace longshore::agent
