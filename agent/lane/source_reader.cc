#include "agent/lane/source_reader.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cassert>

#include "config/limits.h"

namespace longshore::agent {
namespace {

constexpr size_t kTurnsPerCollect = 8;  // Reports come while we read.

}  // namespace

SourceReader::SourceReader(const LaneSetup& setup, Sources& sources, Destinations& destinations,
                           Inbox& inbox, BatchPolicy& batches, Feed& feed, LaneLedger& ledger,
                           OpenTransaction& transaction, KafkaOutage& outage)
    : setup_(setup),
      sources_(sources),
      destinations_(destinations),
      inbox_(inbox),
      batches_(batches),
      feed_(feed),
      ledger_(ledger),
      transaction_(transaction),
      outage_(outage) {}

bool SourceReader::transaction_is_due() const {
  const OpenTransaction::State& open = transaction_.state();
  const Scheduler& scheduler = sources_.scheduler();
  if (open.bytes >= batches_.transaction_bytes() || open.others_wait) return true;
  if (sources_.moved().all().size() >= limits::kTransactionSources) return true;
  const int64_t due_at_ns = batches_.due_at_ns(open.opened_ns);
  if (setup_.clock.monotonic_ns() >= std::min(due_at_ns, feed_.stalled_at_ns(open.opened_ns))) {
    return true;
  }
  if (inbox_.stopping()) return !scheduler.has_ready() || inbox_.stop_reading();
  const bool none_comes = !scheduler.has_ready() &&
                          (scheduler.next_wake_ns() == 0 || scheduler.next_wake_ns() > due_at_ns);
  return setup_.options.once && inbox_.start_scanned() && none_comes;
}

Status SourceReader::read_ready() {
  Status status = ok();
  bool ends_round = false;
  size_t turns = 0;
  // The lane has other things to look at, whether its sources ship or only move.
  const int64_t until_ns = setup_.clock.monotonic_ns() + limits::kLookAgainNsMax;
  while (status && !ends_round) {
    LaneSource* const source = sources_.next();
    if (source == nullptr) break;
    status = take_turn(*source, ends_round);
    if (status && !ends_round && ++turns % kTurnsPerCollect == 0) {
      status = feed_.collect(0);
      ends_round = setup_.clock.monotonic_ns() >= until_ns;
    }
  }
  const Scheduler::Round round = sources_.scheduler().end_round();
  transaction_.note_round(round, batches_.next_look_ns(setup_.clock.monotonic_ns()));
  return status;
}

Status SourceReader::take_turn(LaneSource& source, bool& ends_round) {
  Scheduler& scheduler = sources_.scheduler();
  // While stopping, only deleted files are read, because their unread bytes exist nowhere else.
  if (inbox_.stopping() && !source.tail.holds_deleted()) return ok();
  if (source.tail.life() != checkpoint::SourceLife::kVanished && !find_destination(source))
    return ok();
  const Destination* const to = source.destination;
  if (to != nullptr && !transaction_.may_include(to->where.topic)) {
    scheduler.wait_for_next_transaction(source);
    return ok();
  }
  const bool memory_full = feed_.chunks().is_full();
  if (memory_full || (to != nullptr && !to->has_room())) {
    scheduler.wait_for_room(source);
    ends_round = memory_full;
    return ok();
  }
  const Status status = read(source);
  ends_round = transaction_.is_open() && transaction_is_due();
  return status;
}

// Whether the source has a usable destination; if not, it waits until that can be tried again.
bool SourceReader::find_destination(LaneSource& source) {
  const int64_t now = setup_.clock.monotonic_ns();
  if (source.destination == nullptr) {
    const Declaration& declaration = *source.spec->declaration;
    const std::string& topic =
        declaration.topic.empty() ? setup_.options.default_topic : declaration.topic;
    const auto state = source.tail.state();
    const int32_t stored = state.topic == topic ? state.partition : -1;
    const auto found = destinations_.find(topic, source.spec->id, stored, now);
    if (!found) {
      // While records are outstanding, their silence tells (StuckPartitions).
      const bool unanswered = found.error().code == ErrorCode::kRetryable;
      if (unanswered && !feed_.any_outstanding()) outage_.begin(found.error().message);
      sources_.scheduler().wake_at(source, destinations_.parked_until_ns(topic));
      return false;
    }
    source.destination = found.value();
    source.tail.set_destination(topic, source.destination->where.partition);
  }
  if (destinations_.is_usable(*source.destination, now)) return true;
  sources_.scheduler().wake_at(source, source.destination->parked_until_ns);
  return false;
}

Status SourceReader::read(LaneSource& source) {
  shipper::Chunk* const chunk = feed_.chunks().lend(source.tail.read_last_bytes());
  assert(chunk != nullptr);
  sources_.limit_begun(source);
  const auto filled =
      source.tail.fill(*chunk, source.encoder, setup_.clock.monotonic_ns(), setup_.clock.wall_ns());
  sources_.limit_begun(source);
  sources_.count_read(source);
  setup_.progress.bytes_read = sources_.bytes_read();
  if (!filled) {
    feed_.chunks().give_back_unused(*chunk);
    spdlog::error("cannot read {}: {} Nothing is lost yet: trying again.", described(*source.spec),
                  filled.error().message);
    sources_.drained(source);
    return ok();
  }
  ledger_.take_events(source);
  if (source.tail.take_copy_wish()) setup_.outbox.post(LookForCopy{source.spec->id});
  if (filled.value() == FillOutcome::kDrained) {
    feed_.chunks().give_back_unused(*chunk);
    sources_.drained(source);
    return ok();
  }
  sources_.scheduler().make_ready(source);
  if (filled.value() == FillOutcome::kRecords) return transaction_.add(source, *chunk);
  feed_.chunks().give_back_unused(*chunk);
  // Ledger entries are shipped as records are; a state alone can wait for records.
  if (!transaction_.is_open() && source.ledger.empty()) {
    sources_.moved().drift(source);
    return ok();
  }
  if (!transaction_.is_open()) {
    if (Status begun = transaction_.begin(); !begun) return begun;
  }
  sources_.moved().move(source);
  return ok();
}

}  // namespace longshore::agent
