#include "agent/lane/lane_ledger.h"

#include <spdlog/spdlog.h>

#include "config/limits.h"
#include "shipper/record/ledger_record.h"

namespace longshore::agent {
namespace {

// The reason comes first, because operators grep for it.
void log_loss(const LedgerEntry& entry, const SourceSpec& spec) {
  const bool length_known = entry.start != entry.end;
  spdlog::warn("{}: {} of {}, {} {}: {}", entry.reason,
               entry.event == LedgerEvent::kDoubt ? "bytes in doubt" : "lost bytes",
               described(spec),
               length_known ? fmt::format("from {} to", entry.start.bytes) : "unknown length at",
               entry.end.bytes, entry.detail);
}

}  // namespace

LaneLedger::LaneLedger(const LaneSetup& setup, Sources& sources, Destinations& destinations)
    : setup_(setup), sources_(sources), destinations_(destinations) {}

void LaneLedger::take_events(LaneSource& source) {
  for (LedgerEntry& entry : source.tail.take_events()) {
    if (entry.is_kept()) {
      log_loss(entry, *source.spec);
    } else if (setup_.options.ledger_topic.empty()) {
      continue;
    }
    entry.time_ns = setup_.clock.wall_ns();
    entry.source = source.spec->id;
    entry.lane = setup_.options.lane;
    source.ledger.push_back(std::move(entry));
  }
}

Status LaneLedger::load_waiting() {
  auto waiting = setup_.store.unshipped(setup_.options.lane, limits::kChunkRecordsMax);
  if (!waiting) return waiting.error();
  waiting_ = std::move(waiting).value();
  return ok();
}

Destination* LaneLedger::destination() {
  retry_at_ns_ = 0;
  const std::string& topic = setup_.options.ledger_topic;
  if (topic.empty()) return nullptr;
  const int64_t now = setup_.clock.monotonic_ns();
  const auto found = destinations_.find(topic, SourceId{setup_.options.lane.value}, -1, now);
  if (!found) {
    retry_at_ns_ = destinations_.parked_until_ns(topic);
    return nullptr;
  }
  Destination& to = *found.value();
  if (destinations_.is_usable(to, now)) return &to;
  retry_at_ns_ = to.parked_until_ns;
  return nullptr;
}

std::vector<LedgerEntry> LaneLedger::of_transaction() const {
  std::vector<LedgerEntry> entries = waiting_;
  for (const LaneSource* source : sources_.moved().all()) {
    entries.insert(entries.end(), source->ledger.begin(), source->ledger.end());
  }
  return entries;
}

// A source that was let go is described by its row in the store; 0 stands for the whole lane.
LaneLedger::About LaneLedger::about(SourceId id) const {
  if (const LaneSource* const known = sources_.find(id)) {
    const std::string& declared = known->spec->declaration->topic;
    return {sources_.envelope_of(*known->spec),
            declared.empty() ? setup_.options.default_topic : declared};
  }
  About about{.envelope = {.source = id, .host_name = sources_.host_name()}, .topic = {}};
  if (id == SourceId{}) return about;
  const auto stored = setup_.store.source(id);
  if (!stored || !stored.value()) return about;
  const checkpoint::SourceRow& row = stored.value()->row;
  about.envelope.name = row.name;
  about.envelope.path = row.stream.empty() ? row.host_path : row.stream;
  about.envelope.container_id = row.container_id;
  about.envelope.container_name = row.container_name;
  about.topic = stored.value()->state.topic;
  return about;
}

LaneLedger::About LaneLedger::about(const RefusedLog& log) const {
  About about{.envelope = {.source = {}, .host_name = sources_.host_name()},
              .topic = log.topic.empty() ? setup_.options.default_topic : log.topic};
  about.envelope.name = log.name;
  about.envelope.path = log.path;
  about.envelope.container_id = log.container_id;
  about.envelope.container_name = log.container_name;
  return about;
}

void LaneLedger::append_record(const LedgerEntry& entry, shipper::Chunk& chunk) const {
  const auto [envelope, topic] =
      entry.event == LedgerEvent::kRefused ? about(entry.refused) : about(entry.source);
  shipper::append_ledger_record(entry, envelope, topic, chunk);
}

}  // namespace longshore::agent
