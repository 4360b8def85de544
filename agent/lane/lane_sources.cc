#include "agent/lane/lane_sources.h"

#include <algorithm>
#include <cassert>
#include <iterator>

#include "checkpoint/file_identity.h"

namespace longshore::agent {
namespace {

constexpr size_t kReadWholeMax = 10'000;

checkpoint::SourceRow row_of(const SourceSpec& spec, int64_t first_seen_ns, int64_t gone_ns) {
  return {.id = spec.id,
          .lane = spec.lane,
          .host_path = spec.host_path,
          .stream = stream_name(spec.declaration->stream),
          .name = spec.declaration->name,
          .container_id = spec.container_id,
          .container_name = spec.container_name,
          .first_seen_ns = first_seen_ns,
          .gone_ns = gone_ns};
}

}  // namespace

LaneSource::LaneSource(std::shared_ptr<const SourceSpec> source_spec, checkpoint::SourceState state,
                       const shipper::Envelope& envelope, const LaneSourcesOptions& options)
    : spec(std::move(source_spec)),
      confirmed(std::move(state)),
      tail(spec->declaration->stream, confirmed, options.rotate_wait_ns, options.boots),
      encoder(envelope) {}

LaneSources::LaneSources(LaneSourcesOptions options, checkpoint::Store& store, const Clock& clock)
    : options_(std::move(options)), store_(store), clock_(clock) {}

shipper::Envelope LaneSources::envelope_of(const SourceSpec& spec) const {
  return {.source = spec.id,
          .format = spec.declaration->format,
          .name = spec.declaration->name,
          .path = spec.container_path,
          .host_name = options_.host_name,
          .container_id = spec.container_id,
          .container_name = spec.container_name,
          .image = spec.image,
          .labels = spec.declaration->tags};
}

Result<LaneSource*> LaneSources::find_or_make(const std::shared_ptr<const SourceSpec>& spec) {
  const auto found = sources_.find(spec->id);
  if (found != sources_.end()) return found->second.get();
  auto stored = store_.source(spec->id);
  if (!stored) return stored.error();
  checkpoint::SourceState state;
  int64_t first_seen_ns = clock_.wall_ns();
  if (stored.value()) {
    state = stored.value()->state;
    first_seen_ns = stored.value()->row.first_seen_ns;
  }
  new_rows_.push_back(row_of(*spec, first_seen_ns, 0));
  auto made = std::make_unique<LaneSource>(spec, std::move(state), envelope_of(*spec), options_);
  if (read_whole_.erase(spec->id) > 0) made->tail.set_read_whole();
  return sources_.emplace(spec->id, std::move(made)).first->second.get();
}

Status LaneSources::opened(const SourceOpened& message) {
  const auto found = find_or_make(message.spec);
  if (!found) return found.error();
  LaneSource& source = *found.value();
  if (source.spec != message.spec) {
    source.spec = message.spec;
    source.encoder = shipper::RecordEncoder(envelope_of(*message.spec));
    source.destination = nullptr;
  }
  source.released = false;
  source.tail.set_ended(false);
  if (message.file != nullptr) {
    if (const auto facts = checkpoint::file_facts(message.file->fd.get())) {
      const bool resumed = source.confirmed.file == message.file->identity;
      const uint64_t done = resumed ? source.confirmed.offset : message.start_offset;
      bytes_seen_ += facts.value().size_bytes - std::min(done, facts.value().size_bytes);
    }
    source.tail.add(message.file, message.start_offset, message.gap_before);
    begin(source);
  }
  make_ready(source);
  return ok();
}

// Where it begins is stored soon, and said in the ledger with it. Once it has begun its state may
// have moved, and counts only with the transaction that ships what was read.
void LaneSources::begin(LaneSource& source) {
  if (source.tail.begun()) return;
  source.tail.begin();
  if (!source.tail.begun()) return;
  source.confirmed = source.tail.state();
  Begun& begun = begun_.emplace_back(Begun{{source.spec->id, source.confirmed}, {}});
  for (LedgerEntry& entry : source.tail.take_events()) {
    if (!options_.ledger) continue;
    entry.time_ns = clock_.wall_ns();
    entry.source = source.spec->id;
    entry.lane = source.spec->lane;
    begun.entries.push_back(std::move(entry));
  }
}

Status LaneSources::vanished(const SourceVanished& message) {
  if (sources_.contains(message.spec->id)) return ok();  // It came back meanwhile.
  const auto made = find_or_make(message.spec);
  if (!made) return made.error();
  made.value()->tail.vanish();
  made.value()->released = made.value()->deleted = true;
  make_ready(*made.value());
  return ok();
}

void LaneSources::given_up(const FileGivenUp& message) {
  const auto found = sources_.find(message.source);
  if (found == sources_.end()) return;
  found->second->tail.give_up(message.identity);
  make_ready(*found->second);
}

void LaneSources::copy_found(const CopyFound& message) {
  const auto found = sources_.find(message.source);
  if (found == sources_.end()) return;
  found->second->tail.add_copy(message.file);
  make_ready(*found->second);
}

void LaneSources::touched(const SourcesTouched& message) {
  for (const SourceId id : message.sources) {
    const auto found = sources_.find(id);
    if (found != sources_.end()) make_ready(*found->second);
  }
}

void LaneSources::ended(SourceId id) {
  const auto found = sources_.find(id);
  if (found == sources_.end()) return;
  found->second->tail.set_ended(true);
  make_ready(*found->second);
}

void LaneSources::released(SourceId id, bool deleted) {
  const auto found = sources_.find(id);
  if (found == sources_.end()) return;
  found->second->tail.set_ended(true);
  found->second->released = true;
  found->second->deleted = deleted;
  make_ready(*found->second);
}

void LaneSources::make_ready(LaneSource& source) {
  if (source.ready) return;
  source.ready = true;
  ring_.push_back(&source);
}

LaneSource* LaneSources::next() {
  if (ring_.empty()) return nullptr;
  LaneSource* source = ring_.front();
  ring_.pop_front();
  source->ready = false;
  begin(*source);
  return source;
}

void LaneSources::put_back(LaneSource& source) { make_ready(source); }

void LaneSources::put_first(LaneSource& source) {
  if (source.ready) return;
  source.ready = true;
  ring_.push_front(&source);
}

void LaneSources::wait_for_recheck(LaneSource& source) {
  if (source.tail.recheck_at_ns() > 0) {
    rechecks_.push_back(source.spec->id);
  } else if (source.released && !source.moved && !source.drifted) {
    let_go(source);
  }
}

void LaneSources::recheck(int64_t now_ns) {
  std::vector<SourceId> later;
  for (const SourceId id : rechecks_) {
    const auto found = sources_.find(id);
    if (found == sources_.end() || found->second->tail.recheck_at_ns() == 0) continue;
    if (found->second->tail.recheck_at_ns() <= now_ns) {
      make_ready(*found->second);
    } else {
      later.push_back(id);
    }
  }
  rechecks_ = std::move(later);
}

int64_t LaneSources::next_recheck_ns() const {
  int64_t next = 0;
  for (const SourceId id : rechecks_) {
    const auto found = sources_.find(id);
    if (found == sources_.end()) continue;
    const int64_t at = found->second->tail.recheck_at_ns();
    if (at > 0 && (next == 0 || at < next)) next = at;
  }
  return next;
}

void LaneSources::unpark() {
  for (const SourceId id : std::exchange(parked_, {})) {
    const auto found = sources_.find(id);
    if (found != sources_.end()) make_ready(*found->second);
  }
}

void LaneSources::ready_deleted() {
  for (auto& [id, source] : sources_) {
    if (source->tail.holds_deleted()) make_ready(*source);
  }
}

Status LaneSources::store_new(LaneId lane) {
  if (!new_rows_.empty()) {
    if (Status stored = store_.put_sources(new_rows_); !stored) return stored;
    new_rows_ = decltype(new_rows_)();  // Not "= {}", which keeps the memory. Thousands at the
                                        // start, few ever after: their memory is not kept.
  }
  if (begun_.empty()) return ok();
  // A transaction that was prepared before we started may have been confirmed meanwhile.
  std::vector<checkpoint::PreparedSource> states;
  std::vector<LedgerEntry> ledger;
  for (const auto& [where, entries] : begun_) {
    const auto stored = store_.source(where.source);
    if (!stored) return stored.error();
    if (stored.value() && stored.value()->state.file != checkpoint::FileIdentity{}) continue;
    states.push_back(where);
    ledger.insert(ledger.end(), entries.begin(), entries.end());
  }
  if (!states.empty()) {
    if (Status stored = store_.advance(lane, states, ledger); !stored) return stored;
  }
  opened_stored_ = opened_stored_ || !ledger.empty();
  begun_ = decltype(begun_)();
  return ok();
}

void LaneSources::mark_moved(LaneSource& source) {
  if (source.moved) return;
  source.moved = true;
  moved_.push_back(&source);
}

void LaneSources::mark_drifted(LaneSource& source) {
  if (source.drifted || source.moved) return;
  source.drifted = true;
  drifted_.push_back(source.spec->id);
}

void LaneSources::drifted_join_moved() {
  for (const SourceId id : std::exchange(drifted_, {})) {
    const auto found = sources_.find(id);
    if (found == sources_.end()) continue;
    found->second->drifted = false;
    mark_moved(*found->second);
  }
}

void LaneSources::confirmed(const std::vector<checkpoint::PreparedSource>& states) {
  assert(states.size() == moved_.size());
  for (size_t i = 0; i < moved_.size(); ++i) {
    LaneSource& source = *moved_[i];
    source.moved = false;
    source.ledger.clear();
    source.confirmed = states[i].state;
    source.tail.confirmed(source.confirmed);
    // Its turn comes once more, so that a released source is let go when it is drained.
    if (source.released) make_ready(source);
  }
  moved_.clear();
}

void LaneSources::rewind() {
  for (LaneSource* source : moved_) source->moved = false;
  moved_.clear();
  drifted_.clear();
  for (auto& [id, source] : sources_) {
    source->drifted = false;
    source->ledger.clear();
    source->tail.rewind(source->confirmed);
    source->destination = nullptr;
    make_ready(*source);
  }
}

Status LaneSources::reload() {
  // Those that the store does not know to have begun begin anew.
  begun_.clear();
  for (auto& [id, source] : sources_) {
    auto stored = store_.source(id);
    if (!stored) return stored.error();
    source->confirmed = stored.value() ? stored.value()->state : checkpoint::SourceState{};
    // A state without its source would be forgotten.
    if (!stored.value()) new_rows_.push_back(row_of(*source->spec, clock_.wall_ns(), 0));
    source->tail.confirmed(source->confirmed);
  }
  rewind();
  for (auto& [id, source] : sources_) begin(*source);
  return ok();
}

void LaneSources::let_go(LaneSource& source) {
  const SourceSpec& spec = *source.spec;
  if (source.deleted) {
    // Through put_sources: the retention of a deleted file's state counts from here.
    new_rows_.push_back(row_of(spec, clock_.wall_ns(), clock_.wall_ns()));
    if (read_whole_.size() >= kReadWholeMax) read_whole_.clear();
    if (!source.tail.vanished()) read_whole_.insert(spec.id);
  }
  assert(!source.ready);
  sources_.erase(spec.id);
}

}  // namespace longshore::agent
