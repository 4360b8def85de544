#include "agent/lane/sources.h"

#include <algorithm>
#include <cassert>
#include <iterator>
#include <utility>

#include "checkpoint/file_identity.h"
#include "config/limits.h"

namespace longshore::agent {

using checkpoint::SourceEvent;
using checkpoint::SourceLife;

namespace {

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

Sources::Sources(SourcesOptions options, checkpoint::Store& store, const Clock& clock)
    : options_(std::move(options)), store_(store), clock_(clock), unstored_(store) {}

LaneSource* Sources::find(SourceId source) const {
  const auto at = sources_.find(source);
  return at == sources_.end() ? nullptr : at->second.get();
}

shipper::Envelope Sources::envelope_of(const SourceSpec& spec) const {
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

Result<LaneSource*> Sources::find_or_make(const std::shared_ptr<const SourceSpec>& spec) {
  if (LaneSource* const known = find(spec->id)) return known;
  auto stored = store_.source(spec->id);
  if (!stored) return stored.error();
  checkpoint::SourceState state;
  int64_t first_seen_ns = clock_.wall_ns();
  if (stored.value()) {
    state = stored.value()->state;
    first_seen_ns = stored.value()->row.first_seen_ns;
  }
  unstored_.add(row_of(*spec, first_seen_ns, 0));
  auto made = std::make_unique<LaneSource>(spec, std::move(state), envelope_of(*spec),
                                           options_.rotate_wait_ns, options_.boots, reader_);
  made->counted = made->tail.position();
  if (read_whole_.erase(spec->id) > 0) made->tail.set_read_whole();
  return sources_.emplace(spec->id, std::move(made)).first->second.get();
}

Status Sources::opened(const SourceOpened& message) {
  const auto made = find_or_make(message.spec);
  if (!made) return made.error();
  LaneSource& source = *made.value();
  if (source.spec != message.spec) {
    // Its declarer was renamed, or it is another's now.
    const auto stored = store_.source(message.spec->id);
    if (!stored) return stored.error();
    const int64_t first_seen_ns =
        stored.value() ? stored.value()->row.first_seen_ns : clock_.wall_ns();
    unstored_.add(row_of(*message.spec, first_seen_ns, 0));
    source.spec = message.spec;
    source.encoder = shipper::RecordEncoder(envelope_of(*message.spec));
    source.destination = nullptr;
    source.has_changed_destination = source.ahead == Ahead::kMoved;
  }
  source.tail.apply(SourceEvent::kOpened);
  if (message.file != nullptr) {
    if (const auto facts = checkpoint::file_facts(message.file->fd.get())) {
      const bool resumed = source.confirmed.file == message.file->identity;
      const uint64_t done = resumed ? source.confirmed.offset : 0;
      bytes_seen_ += facts.value().size_bytes - std::min(done, facts.value().size_bytes);
    }
    source.tail.add(message.file, message.start_offset, message.step);
    begin(source);
  }
  scheduler_.make_ready(source);
  return ok();
}

// Notes where the source begins, to be stored soon together with its ledger entry. Once it has
// begun, its state may have advanced, and counts only with the transaction that ships what was
// read.
void Sources::begin(LaneSource& source) {
  if (source.tail.begun()) return;
  source.tail.begin();
  if (!source.tail.begun()) return;
  source.confirmed = source.tail.state();
  std::vector<LedgerEntry> entries;
  for (LedgerEntry& entry : source.tail.take_events()) {
    if (!options_.ledger) continue;
    entry.time_ns = clock_.wall_ns();
    entry.source = source.spec->id;
    entry.lane = source.spec->lane;
    entries.push_back(std::move(entry));
  }
  unstored_.begins({source.spec->id, source.confirmed}, std::move(entries));
}

Status Sources::vanished(const SourceVanished& message) {
  if (find(message.spec->id) != nullptr) return ok();  // It came back meanwhile.
  const auto made = find_or_make(message.spec);
  if (!made) return made.error();
  made.value()->tail.apply(SourceEvent::kVanished);
  scheduler_.make_ready(*made.value());
  return ok();
}

void Sources::given_up(const FileGivenUp& message) {
  LaneSource* const source = find(message.source);
  if (source == nullptr) return;
  source->tail.give_up(message.identity);
  scheduler_.make_ready(*source);
}

void Sources::copies_found(const CopiesFound& message) {
  LaneSource* const source = find(message.source);
  if (source == nullptr) return;
  source->tail.add_copies(message.files);
  scheduler_.make_ready(*source);
}

std::optional<CopyJudged> Sources::judge(const JudgeCopy& message) {
  CopyJudged judged{.file = message.file->identity, .stream = message.stream};
  LaneSource* const source = find(message.source);
  if (source == nullptr) return judged;
  if (!source->tail.can_judge()) {
    scheduler_.make_ready(*source);
    return std::nullopt;
  }
  if (source->tail.judge(*message.file, judged)) moved_.drift(*source);
  return judged;
}

void Sources::refused(LedgerEntry entry) {
  entry.time_ns = clock_.wall_ns();
  unstored_.refused(std::move(entry));
}

void Sources::touched(const SourcesTouched& message) {
  for (const SourceId id : message.sources) {
    if (LaneSource* const source = find(id)) scheduler_.make_ready(*source);
  }
}

void Sources::ended(const SourceEnded& message) {
  LaneSource* const source = find(message.source);
  if (source == nullptr) return;
  // Docker ends the lines of its own files (agent/decode/container_log.h).
  if (source->spec->declaration->stream == Stream::kFile) {
    source->tail.end_run(message.file, message.size_bytes);
  }
  source->tail.ended(message.size_bytes);
  scheduler_.make_ready(*source);
}

void Sources::released(SourceId id, bool deleted) {
  LaneSource* const source = find(id);
  if (source == nullptr) return;
  source->tail.apply(deleted ? SourceEvent::kDeleted : SourceEvent::kReleased);
  scheduler_.make_ready(*source);
}

void Sources::ready_deleted() {
  for (auto& [id, source] : sources_) {
    if (source->tail.holds_deleted()) scheduler_.make_ready(*source);
  }
}

LaneSource* Sources::next() {
  LaneSource* const source = scheduler_.next();
  if (source != nullptr) begin(*source);
  return source;
}

void Sources::limit_begun(LaneSource& source) {
  count_begun(source, source.tail.begun_bytes());
  const size_t others = begun_bytes_ - source.begun_bytes;
  source.tail.set_begun_bytes_max(limits::kBegunBytesMax -
                                  std::min(others, limits::kBegunBytesMax));
}

void Sources::count_begun(LaneSource& source, size_t bytes) {
  begun_bytes_ += bytes - std::exchange(source.begun_bytes, bytes);
}

// What a rewind takes back is taken off again, by a difference that wraps around. Where a source
// begins in the middle, what stands before that counts as read.
void Sources::count_read(LaneSource& source) {
  const Position now = source.tail.position();
  bytes_read_ += now.bytes - std::exchange(source.counted, now).bytes;
}

void Sources::drained(LaneSource& source) {
  if (source.tail.recheck_at_ns() > 0) {
    scheduler_.wake_at(source, source.tail.recheck_at_ns());
  } else if (is_released(source.tail.life()) && source.ahead == Ahead::kNo) {
    let_go(source);
  }
}

void Sources::confirmed(const std::vector<checkpoint::PreparedSource>& states) {
  confirmed(moved_.clear(), states);
}

void Sources::confirmed(const std::vector<LaneSource*>& taken,
                        const std::vector<checkpoint::PreparedSource>& states) {
  assert(states.size() == taken.size());
  for (size_t i = 0; i < taken.size(); ++i) {
    LaneSource& source = *taken[i];
    source.ledger.clear();
    source.has_changed_destination = false;
    source.confirmed = states[i].state;
    source.tail.confirmed(source.confirmed);
    // It gets one more turn, so that a released source is let go when it is drained.
    if (is_released(source.tail.life())) scheduler_.make_ready(source);
  }
}

void Sources::rewind() {
  moved_.clear();
  for (auto& [id, source] : sources_) {
    source->ledger.clear();
    source->tail.rewind(source->confirmed);
    count_read(*source);
    source->destination = nullptr;
    source->has_changed_destination = false;
    scheduler_.make_ready(*source);
  }
}

Status Sources::reload() {
  // Sources whose beginning is not stored yet begin anew.
  unstored_.forget_begun();
  for (auto& [id, source] : sources_) {
    auto stored = store_.source(id);
    if (!stored) return stored.error();
    source->confirmed = stored.value() ? stored.value()->state : checkpoint::SourceState{};
    // A state without its source would be forgotten.
    if (!stored.value()) unstored_.add(row_of(*source->spec, clock_.wall_ns(), 0));
    source->tail.confirmed(source->confirmed);
  }
  rewind();
  for (auto& [id, source] : sources_) begin(*source);
  return ok();
}

void Sources::let_go(LaneSource& source) {
  const SourceSpec& spec = *source.spec;
  const SourceLife life = source.tail.life();
  if (after(life, SourceEvent::kForgotten) == SourceLife::kGone) {
    // Through put_sources: the retention of a deleted file's state starts here.
    unstored_.add(row_of(spec, clock_.wall_ns(), clock_.wall_ns()));
    if (read_whole_.size() >= limits::kReadWholeMax) read_whole_.clear();
    if (life == SourceLife::kDeleted) read_whole_.insert(spec.id);
  }
  assert(!source.turn.is_ready && source.turn.wake_at_ns == 0);
  count_begun(source, 0);
  sources_.erase(spec.id);
}

}  // namespace longshore::agent
