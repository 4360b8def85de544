#include <spdlog/spdlog.h>

#include <algorithm>
#include <cassert>

#include "agent/lane/lane.h"
#include "config/limits.h"

namespace longshore::agent {
namespace {

constexpr int64_t kMs = 1'000'000;
constexpr int kCallTimeoutMs = 1000;
constexpr int64_t kGiveUpNs = 60'000 * kMs;
constexpr int64_t kGatherMaxNs = 100 * kMs;
constexpr int64_t kStallNs = 20 * kMs;
constexpr int64_t kSettleEveryNs = 2'000 * kMs;

}  // namespace

bool Lane::transaction_due() const {
  return (stopping_ && (!sources_.has_ready() || stop_reading())) ||
         open_bytes_ >= batch_bytes_now_ || others_wait_ ||
         clock_.monotonic_ns() >= std::min(opened_ns_ + options_.linger_ns, stalled_at_ns()) ||
         (options_.once && start_scanned_ && !sources_.has_ready() &&
          sources_.next_recheck_ns() == 0);
}

// When memory was full for so long without an answer that nothing is on its way: many sources have
// filled it with too little for a batch, which librdkafka keeps for linger.ms.
int64_t Lane::stalled_at_ns() const {
  if (!pool_.is_full()) return INT64_MAX;
  return std::max(opened_ns_, reported_ns_) + kStallNs;
}

// Fills the open transaction from the sources that have something, a chunk a turn, until nothing is
// ready, everything ready has to wait for the broker, or the transaction is large or old enough.
Status Lane::stream() {
  saturated_ = false;
  size_t refused = 0;
  std::vector<LaneSource*> waiting, others;
  Status status = ok();
  while (LaneSource* source = sources_.next()) {
    bool produced = false;
    // What is left of a deleted file has no other place: it is shipped before we go.
    if (stopping_ && !source->tail.holds_deleted()) continue;
    if (!source->tail.vanished() && !find_destination(*source)) continue;
    if (source->destination != nullptr && !may_join(source->destination->where.topic)) {
      others.push_back(source);
      continue;
    }
    if ((source->destination != nullptr && !source->destination->has_room()) || pool_.is_full()) {
      waiting.push_back(source);
      if (pool_.is_full()) break;
    } else {
      status = read_one(*source, produced);
      if (!status) break;
      if (produced && transaction_due()) break;
    }
    if (++refused % 8 == 0) {
      status = collect(0);
      if (!status) break;
    }
  }
  saturated_ = !waiting.empty();
  for (LaneSource* source : waiting) sources_.put_back(*source);
  // The next transaction begins with those that this one could not hold.
  for (LaneSource* source : others) sources_.put_first(*source);
  others_wait_ = open_ && !others.empty();
  if (!status) return status;
  if (open_) {
    next_read_ns_ = clock_.monotonic_ns() + std::min(options_.linger_ns / 10, kGatherMaxNs);
  }
  return ok();
}

// Whether the source has a usable destination; if not, it waits for its topic.
bool Lane::find_destination(LaneSource& source) {
  const int64_t now = clock_.monotonic_ns();
  if (source.destination == nullptr) {
    const Declaration& declaration = *source.spec->declaration;
    const std::string& topic =
        declaration.topic.empty() ? options_.default_topic : declaration.topic;
    const auto state = source.tail.state();
    const int32_t stored = state.topic == topic ? state.partition : -1;
    auto found = destinations_.find(topic, source.spec->id, stored, now);
    if (!found) {
      sources_.park(source);
      return false;
    }
    source.destination = found.value();
    source.tail.set_destination(topic, source.destination->where.partition);
  }
  if (source.destination->parked_until_ns > now) {
    sources_.park(source);
    return false;
  }
  source.destination->parked_until_ns = 0;
  return true;
}

Status Lane::read_one(LaneSource& source, bool& produced) {
  shipper::Chunk* chunk = pool_.lend(source.tail.read_last_bytes());
  assert(chunk != nullptr);
  const auto filled =
      source.tail.fill(*chunk, source.encoder, clock_.monotonic_ns(), clock_.wall_ns());
  if (!filled) {
    pool_.give_back_unused(*chunk);
    spdlog::error("cannot read {}: {} It is tried again when it changes.", source.spec->host_path,
                  filled.error().message);
    sources_.wait_for_recheck(source);
    return ok();
  }
  take_events(source);
  if (source.tail.take_copy_wish()) outbox_.post(LookForCopy{source.spec->id});
  if (filled.value() == FillOutcome::kDrained) {
    pool_.give_back_unused(*chunk);
    sources_.wait_for_recheck(source);
    return ok();
  }
  sources_.put_back(source);
  if (filled.value() == FillOutcome::kMoved) {
    pool_.give_back_unused(*chunk);
    // What the ledger has to say is shipped as records are; all else can wait for those.
    if (!open_ && !source.ledger.empty()) {
      if (Status begun = begin_transaction(); !begun) return begun;
    }
    if (!open_) sources_.mark_drifted(source);
    if (open_) sources_.mark_moved(source);
    return ok();
  }
  produced = true;
  return produce(source, *chunk);
}

Status Lane::begin_transaction() {
  if (Status stored = sources_.store_new(options_.lane); !stored) return stored;
  if (sources_.take_opened()) {
    if (Status loaded = load_waiting_ledger(); !loaded) return loaded;
  }
  if (options_.exactly_once) {
    if (Status begun = session_->begin(); !begun) return begun;
  }
  open_ = true;
  opened_ns_ = clock_.monotonic_ns();
  open_bytes_ = open_records_ = 0;
  open_topics_.clear();
  others_wait_ = false;
  sources_.drifted_join_moved();
  return ok();
}

Status Lane::produce(LaneSource& source, shipper::Chunk& chunk) {
  source.encoder.finish(chunk);
  if (!open_) {
    if (Status begun = begin_transaction(); !begun) return begun;
  }
  sources_.mark_moved(source);
  open_bytes_ += chunk.value_bytes;
  open_records_ += chunk.messages.size();
  progress_.bytes_read += chunk.value_bytes;
  return hand_over(chunk, *source.destination);
}

Status Lane::hand_over(shipper::Chunk& chunk, Destination& to) {
  chunk.owner = &to;
  open_topics_.insert(to.where.topic);
  to.records_out += chunk.messages.size();
  to.bytes_out += chunk.value_bytes;
  outstanding_ += chunk.messages.size();
  for (size_t first = 0; first < chunk.messages.size();) {
    const auto taken = session_->produce(&chunk, first, to.where);
    if (!taken) return taken.error();
    first += taken.value();
    if (first < chunk.messages.size()) {
      if (Status waited = collect(kCallTimeoutMs); !waited) return waited;
    }
  }
  // Only now may reports give it back, and perhaps all of them came already.
  pool_.lent(chunk);
  if (chunk.unreported == 0) pool_.give_back(chunk);
  return ok();
}

Status Lane::collect(int timeout_ms) {
  if (outstanding_ == 0) return ok();
  if (Status served = session_->reports(timeout_ms, reports_); !served) return served;
  return take_reports();
}

Status Lane::take_reports() {
  Status status = ok();
  if (!reports_.empty()) reported_ns_ = clock_.monotonic_ns();
  for (const shipper::Report& report : reports_) {
    shipper::Chunk& chunk = *report.chunk;
    outstanding_ -= report.records;
    Destination& to = *static_cast<Destination*>(chunk.owner);
    to.records_out -= report.records;
    to.bytes_out -= report.value_bytes;
    if (chunk.unreported == 0) pool_.give_back(chunk);
    if (report.trouble != shipper::Trouble::kNone && status) status = failed(report, to);
  }
  reports_.clear();
  return status;
}

// Until every record of the transaction is answered for.
Status Lane::flush() {
  const int64_t give_up = clock_.monotonic_ns() + kGiveUpNs;
  while (outstanding_ > 0) {
    const Status flushed = session_->flush(kCallTimeoutMs, reports_);
    if (Status taken = take_reports(); !taken) return taken;
    if (!flushed && flushed.error().code != ErrorCode::kRetryable) return flushed;
    apply_messages();
    const int64_t now = clock_.monotonic_ns();
    if (outstanding_ > 0 && (now >= give_up || (stopping_ && now >= stop_by_ns_))) {
      return Error{ErrorCode::kRetryable, "Kafka did not acknowledge a transaction in time."};
    }
  }
  return ok();
}

Status Lane::prepare(const std::vector<checkpoint::PreparedSource>& states,
                     std::vector<LedgerEntry> ledger, std::string& digest) {
  const auto prepared = store_.prepare({.lane = options_.lane,
                                        .number = {confirmed_.value + 1},
                                        .sources = states,
                                        .ledger = std::move(ledger)});
  if (!prepared) return prepared.error();
  confirm_pending_ = false;  // PREPARE N+1 confirmed N.
  digest = prepared.value();
  return ok();
}

Status Lane::close_transaction() {
  // Flushing first: the offset must not be sent before the transaction has had a delivery, and
  // librdkafka lingers on the last batch otherwise.
  std::vector<LedgerEntry> ledger = ledger_of_transaction();
  if (Status produced = produce_ledger(ledger); !produced) return produced;
  if (Status flushed = flush(); !flushed) return flushed;
  // Some may have joined since the transaction began: a state without its source is forgotten.
  if (Status stored = sources_.store_new(options_.lane); !stored) return stored;
  const bool ledger_left = !ledger.empty();
  std::vector<checkpoint::PreparedSource> states;
  for (LaneSource* source : sources_.moved()) {
    states.push_back({source->spec->id, source->tail.state()});
  }
  if (options_.exactly_once) {
    std::string digest;
    if (Status prepared = prepare(states, std::move(ledger), digest); !prepared) return prepared;
    const TransactionNumber number{confirmed_.value + 1};
    if (Status committed = commit_offset(number, digest); !committed) return committed;
    confirmed_ = number;
    confirm_pending_ = true;
  } else if (Status advanced = store_.advance(options_.lane, states, ledger); !advanced) {
    return advanced;
  }
  if (ledger_left) {
    if (Status loaded = load_waiting_ledger(); !loaded) return loaded;
  }
  progress_.records_confirmed += open_records_;
  open_ = false;
  failures_ = 0;
  retry_ns_ = 0;
  last_commit_ns_ = clock_.monotonic_ns();
  destinations_.committed(open_topics_);
  destinations_.reset_outstanding();
  sources_.confirmed(states);
  // Sizes that a time-out or a refusal halved grow back slowly.
  batch_bytes_now_ = std::min(options_.batch_bytes, batch_bytes_now_ + batch_bytes_now_ / 8 + 1);
  return ok();
}

// Sends offset `number` in the open transaction and commits it.
Status Lane::commit_offset(TransactionNumber number, const std::string& digest) {
  if (Status sent = session_->send_offset(number, digest, kCallTimeoutMs * 30); !sent) return sent;
  const int64_t give_up = clock_.monotonic_ns() + kGiveUpNs;
  for (;;) {
    const Status committed = session_->commit(kCallTimeoutMs, reports_);
    if (Status taken = take_reports(); !taken) return taken;
    if (committed) return ok();
    if (committed.error().code != ErrorCode::kRetryable) return committed;
    apply_messages();
    const int64_t now = clock_.monotonic_ns();
    if (now >= give_up || (stopping_ && now >= stop_by_ns_)) return committed;
    pause();
  }
}

// What waits for no further transaction: the last CONFIRM, and states that moved without a record
// (rotations of a stream that says nothing), so that their files can be let go.
Status Lane::settle_store() {
  if (confirm_pending_) {
    if (Status confirmed = store_.confirm(options_.lane); !confirmed) return confirmed;
    confirm_pending_ = false;
  }
  const int64_t now = clock_.monotonic_ns();
  if (open_ || !sources_.any_drifted() || now < next_settle_ns_) return ok();
  next_settle_ns_ = now + kSettleEveryNs;
  if (Status stored = sources_.store_new(options_.lane); !stored) return stored;
  sources_.drifted_join_moved();
  std::vector<checkpoint::PreparedSource> states;
  for (LaneSource* source : sources_.moved()) {
    states.push_back({source->spec->id, source->tail.state()});
  }
  if (Status advanced = store_.advance(options_.lane, states); !advanced) return advanced;
  sources_.confirmed(states);
  return ok();
}

}  // namespace longshore::agent
