#include "agent/lane/open_transaction.h"

#include <algorithm>
#include <cassert>

#include "config/limits.h"
#include "shipper/record/ledger_record.h"

namespace longshore::agent {

OpenTransaction::OpenTransaction(const LaneSetup& setup, Sources& sources, Inbox& inbox,
                                 Blame& blame, Feed& feed, LaneLedger& ledger,
                                 LastDelivered& delivered)
    : setup_(setup),
      sources_(sources),
      inbox_(inbox),
      blame_(blame),
      feed_(feed),
      ledger_(ledger),
      delivered_(delivered) {}

Status OpenTransaction::begin() {
  assert(!state_.is_open);
  NewSources& unstored = sources_.unstored();
  if (Status stored = note_store(unstored.store(setup_.options.lane), 1); !stored) return stored;
  if (unstored.take_wrote_ledger()) {
    if (Status loaded = ledger_.load_waiting(); !loaded) return loaded;
  }
  if (setup_.options.exactly_once) {
    if (Status begun = feed_.session().begin(); !begun) return begun;
  }
  const int64_t now = setup_.clock.monotonic_ns();
  state_ = State{.is_open = true, .opened_ns = now};
  sources_.moved().join_drifted();
  return ok();
}

void OpenTransaction::give_up() {
  feed_.stop();
  sources_.rewind();
  ledger_.forget_waiting();
  state_ = {};
}

void OpenTransaction::keep_delivered() {
  if (setup_.options.exactly_once || !state_.is_open) return;
  feed_.collect_others();
  const auto taken = sources_.moved().take([](const LaneSource& source) {
    const Destination* const to = source.destination;
    if (source.has_changed_destination) return false;
    return to == nullptr || (to->records_out == 0 && !to->refused);
  });
  if (taken.empty()) return;
  std::vector<checkpoint::PreparedSource> states;
  std::vector<LedgerEntry> ledger;
  for (const LaneSource* const source : taken) {
    states.push_back({source->spec->id, source->tail.state()});
    ledger.insert(ledger.end(), source->ledger.begin(), source->ledger.end());
  }
  // Otherwise give_up() takes them back as well.
  if (setup_.store.advance(setup_.options.lane, states, ledger)) sources_.confirmed(taken, states);
}

Status OpenTransaction::add(LaneSource& source, shipper::Chunk& chunk) {
  source.encoder.finish(chunk);
  if (!state_.is_open) {
    if (Status begun = begin(); !begun) return begun;
  }
  sources_.moved().move(source);
  state_.bytes += chunk.value_bytes;
  state_.records += chunk.messages.size();
  return hand_over(chunk, *source.destination);
}

void OpenTransaction::note_round(Scheduler::Round round, int64_t next_look_ns) {
  if (!state_.is_open) return;
  state_.room_missing = round.room_missing;
  state_.others_wait = round.transaction_missing;
  if (state_.next_look_ns == 0) state_.next_look_ns = next_look_ns;
}

Status OpenTransaction::hand_over(shipper::Chunk& chunk, Destination& to) {
  state_.topics.insert(to.where.topic);
  return feed_.hand_over(chunk, to);
}

Status OpenTransaction::close() {
  assert(state_.is_open);
  // Flush first: librdkafka refuses an offset before the transaction's first delivery, and lingers
  // over the last batch otherwise.
  std::vector<LedgerEntry> ledger = ledger_.of_transaction();
  if (Status produced = produce_ledger(ledger); !produced) return produced;
  if (Status flushed = flush(); !flushed) return flushed;
  // Sources may have joined since the transaction began; a state without its source is forgotten.
  const LaneId lane = setup_.options.lane;
  if (Status stored = note_store(sources_.unstored().store(lane), 1); !stored) return stored;
  const bool any_ledger = !ledger.empty();
  const auto states = sources_.moved().states();
  if (setup_.options.exactly_once) {
    std::string digest;
    if (Status prepared = prepare(states, std::move(ledger), digest); !prepared) return prepared;
    const TransactionNumber number = delivered_.next();
    if (Status committed = commit_offset(number, digest); !committed) return committed;
    delivered_ = {.number = number, .is_unconfirmed = true};
  } else {
    Status advanced = setup_.store.advance(lane, states, ledger);
    if (!note_store(advanced, states.size() + ledger.size())) return advanced;
  }
  if (any_ledger) {
    if (Status loaded = ledger_.load_waiting(); !loaded) return loaded;
  }
  setup_.progress.records_confirmed += state_.records;
  feed_.committed(state_.topics);
  sources_.confirmed(states);
  state_ = {};
  return ok();
}

Status OpenTransaction::produce_ledger(std::vector<LedgerEntry>& entries) {
  if (entries.empty() || !may_include(setup_.options.ledger_topic)) return ok();
  Destination* const to = ledger_.destination();
  if (to == nullptr) return ok();
  for (size_t first = 0; first < entries.size(); first += limits::kChunkRecordsMax) {
    if (feed_.chunks().is_full()) {
      if (Status flushed = flush(); !flushed) return flushed;
    }
    const size_t end = std::min(entries.size(), first + limits::kChunkRecordsMax);
    shipper::Chunk& chunk = *feed_.chunks().lend((end - first) * limits::kLedgerRecordBytesUsual);
    for (size_t i = first; i < end; ++i) {
      ledger_.append_record(entries[i], chunk);
      entries[i].shipped = true;
    }
    shipper::finish_ledger_records(chunk);
    if (Status produced = hand_over(chunk, *to); !produced) return produced;
  }
  return ok();
}

// What a full disk refuses after a transaction was sent has to be aborted. So the store is asked
// before the next one is begun.
Status OpenTransaction::note_store(Status stored, size_t rows) {
  if (!stored && stored.error().code == ErrorCode::kRetryable) {
    refused_bytes_ = std::min(limits::kStateProbeBytes + rows * limits::kStateRowBytesUsual,
                              limits::kStateProbeBytesMax);
  }
  return stored;
}

Status OpenTransaction::probe_store() {
  Status probed = refused_bytes_ > 0 ? setup_.store.probe(refused_bytes_) : ok();
  if (probed) refused_bytes_ = 0;
  return probed;
}

bool OpenTransaction::is_too_late(int64_t give_up_ns) const {
  return setup_.clock.monotonic_ns() >= give_up_ns || inbox_.out_of_time();
}

// Flushes until every record of the transaction is answered for.
Status OpenTransaction::flush() {
  const int64_t give_up_ns = setup_.clock.monotonic_ns() + limits::kGiveUpNs;
  while (feed_.any_outstanding()) {
    const Status flushed = feed_.flush(limits::kFlushCallMs);
    if (!flushed && flushed.error().code != ErrorCode::kRetryable) return flushed;
    inbox_.apply();
    if (!flushed) setup_.pause();
    if (Status moving = feed_.look_for_stuck(); !moving) return moving;
    if (feed_.any_outstanding() && is_too_late(give_up_ns)) {
      return Error{ErrorCode::kRetryable, "Kafka did not acknowledge a transaction in time."};
    }
  }
  return ok();
}

// The one ordering that must hold: this is durable before the transaction can commit.
Status OpenTransaction::prepare(const std::vector<checkpoint::PreparedSource>& states,
                                std::vector<LedgerEntry> ledger, std::string& digest) {
  const auto prepared = setup_.store.prepare({.lane = setup_.options.lane,
                                              .number = delivered_.next(),
                                              .sources = states,
                                              .ledger = std::move(ledger)});
  if (!prepared) return note_store(prepared.error(), states.size());
  delivered_.is_unconfirmed = false;
  digest = prepared.value();
  return ok();
}

// Sends offset `number` in the open transaction and commits it.
Status OpenTransaction::commit_offset(TransactionNumber number, const std::string& digest) {
  if (Status sent = feed_.session().send_offset(number, digest, limits::kSendOffsetMs); !sent) {
    return sent;
  }
  const int64_t give_up_ns = setup_.clock.monotonic_ns() + limits::kGiveUpNs;
  for (;;) {
    const Status committed = feed_.commit(limits::kKafkaCallMs);
    if (committed || committed.error().code != ErrorCode::kRetryable) return committed;
    inbox_.apply();
    if (is_too_late(give_up_ns)) return committed;
    setup_.pause();
  }
}

Status OpenTransaction::commit_offset_only() {
  if (!setup_.options.exactly_once) return ok();
  const auto record = setup_.store.lane(setup_.options.lane);
  if (!record) return record.error();
  if (Status begun = feed_.session().begin(); !begun) return begun;
  const checkpoint::LaneRecord& stored = record.value();
  if (Status committed = commit_offset(stored.confirmed, stored.confirmed_digest); !committed) {
    return committed;
  }
  return setup_.store.offset_committed(setup_.options.lane);
}

}  // namespace longshore::agent
