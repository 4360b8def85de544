#include "agent/lane/lane.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>

#include "config/limits.h"

namespace longshore::agent {
namespace {

constexpr int64_t kMs = 1'000'000;
constexpr int64_t kRetryMinNs = 100 * kMs;
constexpr int64_t kRetryMaxNs = 5'000 * kMs;
constexpr int64_t kKeepAliveNs = int64_t{12} * 3600 * 1000 * kMs;
constexpr int64_t kAliveEveryNs = int64_t{60} * 1000 * kMs;
constexpr int64_t kForgetEveryNs = int64_t{600} * 1000 * kMs;
constexpr int64_t kStopGraceNs = 3'500 * kMs;
constexpr int64_t kStopCommitNs = 1'500 * kMs;  // Of that, for the last commit.
constexpr int64_t kSaturatedWaitNs = 200 * kMs;
constexpr int64_t kIdleWaitNs = 60'000 * kMs;
constexpr int64_t kPauseNs = 50 * kMs;

}  // namespace

Lane::Lane(LaneOptions options, LaneSources& sources, Destinations& destinations,
           checkpoint::Store& store, shipper::Kafka& kafka, const Clock& clock, Waiter& waiter,
           Mailbox<ToLane>& inbox, Mailbox<ToWatch>& outbox, LaneProgress& progress)
    : options_(std::move(options)),
      sources_(sources),
      destinations_(destinations),
      store_(store),
      kafka_(kafka),
      clock_(clock),
      waiter_(waiter),
      inbox_(inbox),
      outbox_(outbox),
      progress_(progress),
      group_("longshore-agent." + options_.host_id + "." + std::to_string(options_.lane.value)),
      batch_bytes_now_(options_.batch_bytes) {}

Lane::~Lane() = default;

void Lane::run() {
  for (;;) {
    Status status = open_session();
    if (status) status = ship();
    if (status) {
      session_.reset();
      outbox_.post(LaneStopped{options_.lane, 0, "", false});
      return;
    }
    const ErrorCode code = status.error().code;
    if (code == ErrorCode::kInvalid || code == ErrorCode::kFatal) {
      rewind();
      outbox_.post(
          LaneStopped{options_.lane, 2, status.error().message, code == ErrorCode::kFatal});
      return;
    }
    note_failure(status.error());
    rewind();
    if (!wait_before_retry()) {
      session_.reset();
      outbox_.post(LaneStopped{options_.lane, 0, "", false});
      return;
    }
  }
}

void Lane::note_failure(const Error& error) {
  heed_cause();
  // The first failures of an outage are said, then ever fewer.
  ++failures_;
  if (failures_ <= 3 || (failures_ & (failures_ - 1)) == 0) {
    spdlog::warn("lane {}: {} Nothing is lost: its sources wait at their confirmed positions.",
                 options_.lane.value, error.message);
  }
}

void Lane::rewind() {
  session_.reset();
  pool_.reset();
  destinations_.reset_outstanding();
  destinations_.forget_shapes();
  sources_.rewind();
  open_ = saturated_ = false;
  open_bytes_ = open_records_ = 0;
  outstanding_ = 0;
  delivery_trouble_ = shipper::Trouble::kNone;
  open_topics_.clear();
  waiting_ledger_.clear();
  reports_.clear();
}

bool Lane::wait_before_retry() {
  retry_ns_ = std::clamp(retry_ns_ * 2, kRetryMinNs, kRetryMaxNs);
  const int64_t until = clock_.monotonic_ns() + retry_ns_;
  while (clock_.monotonic_ns() < until && !stopping_) {
    waiter_.wait(until, std::array{inbox_.wake_fd()});
    apply_messages();
  }
  return !stopping_;
}

// Before a call that is to be repeated is made again.
void Lane::pause() { waiter_.wait(clock_.monotonic_ns() + kPauseNs, {}); }

// A source that was let go comes back with what the store holds: that has to be what was delivered.
Status Lane::confirm_for(SourceId source) {
  if (!confirm_pending_ || sources_.find(source) != nullptr) return ok();
  const Status confirmed = store_.confirm(options_.lane);
  confirm_pending_ = confirm_pending_ && !confirmed;
  return confirmed;
}

void Lane::apply_messages() {
  std::vector<ToLane> messages = inbox_.take();
  if (!unapplied_.empty()) {
    messages.insert(messages.begin(), std::make_move_iterator(unapplied_.begin()),
                    std::make_move_iterator(unapplied_.end()));
    unapplied_.clear();
  }
  for (size_t i = 0; i < messages.size(); ++i) {
    ToLane& message = messages[i];
    const auto* opened = std::get_if<SourceOpened>(&message);
    const auto* vanished = std::get_if<SourceVanished>(&message);
    if (opened != nullptr || vanished != nullptr) {
      Status applied = confirm_for(opened != nullptr ? opened->spec->id : vanished->spec->id);
      if (applied)
        applied = opened != nullptr ? sources_.opened(*opened) : sources_.vanished(*vanished);
      if (!applied) {
        spdlog::error("lane {}: the checkpoint cannot be read, new sources wait: {}",
                      options_.lane.value, applied.error().message);
        unapplied_.assign(std::make_move_iterator(messages.begin() + static_cast<int64_t>(i)),
                          std::make_move_iterator(messages.end()));
        return;
      }
    } else if (const auto* touched = std::get_if<SourcesTouched>(&message)) {
      sources_.touched(*touched);
    } else if (const auto* ended = std::get_if<SourceEnded>(&message)) {
      sources_.ended(ended->source);
    } else if (const auto* released = std::get_if<SourceReleased>(&message)) {
      sources_.released(released->source, released->deleted);
    } else if (const auto* gave_up = std::get_if<FileGivenUp>(&message)) {
      sources_.given_up(*gave_up);
    } else if (const auto* copy = std::get_if<CopyFound>(&message)) {
      sources_.copy_found(*copy);
    } else if (std::holds_alternative<StartScanned>(message)) {
      start_scanned_ = true;
    } else {
      stopping_ = true;
      stop_by_ns_ = clock_.monotonic_ns() + kStopGraceNs;
      sources_.ready_deleted();
    }
  }
  // What cannot be stored now is stored before anything of it is produced, or said then.
  static_cast<void>(sources_.store_new(options_.lane));
  progress_.sources = sources_.size();
  progress_.bytes_total = sources_.bytes_seen();
}

bool Lane::finished() const {
  if (open_ || confirm_pending_) return false;
  if (stopping_) return true;
  return options_.once && start_scanned_ && unapplied_.empty() && !sources_.has_ready() &&
         sources_.next_recheck_ns() == 0 && destinations_.next_retry_ns(options_.ledger_topic) == 0;
}

// While stopping, the last of the grace is for the commit.
bool Lane::stop_reading() const {
  return stopping_ && clock_.monotonic_ns() >= stop_by_ns_ - kStopCommitNs;
}

Status Lane::ship() {
  for (;;) {
    if (!open_ || clock_.monotonic_ns() >= next_read_ns_) apply_messages();
    const int64_t now = clock_.monotonic_ns();
    sources_.recheck(now);
    const int64_t retry = destinations_.next_retry_ns();
    if (retry > 0 && retry <= now) sources_.unpark();
    if (Status collected = collect(0); !collected) return collected;
    if (!stopping_ || !stop_reading()) {
      if (Status streamed = stream(); !streamed) return streamed;
      if (!stopping_ && !open_ && !waiting_ledger_.empty() && ledger_destination() != nullptr) {
        if (Status begun = begin_transaction(); !begun) return begun;
      }
    }
    if (open_ && transaction_due()) {
      if (Status closed = close_transaction(); !closed) return closed;
      if (Status grown = grow_batches(); !grown) return grown;
      continue;
    }
    if (!open_ && (!sources_.has_ready() || stopping_)) {
      if (Status settled = settle_store(); !settled) return settled;
      kafka_.rest();
    }
    if (finished()) return ok();
    if (Status kept = keep_alive(); !kept) return kept;
    wait_for_work();
  }
}

// Idle offsets and transactional ids expire after seven days: this keeps ours. It also forgets what
// has been gone for longer than the retention.
Status Lane::keep_alive() {
  const int64_t now = clock_.monotonic_ns();
  if (open_) return ok();
  if (options_.exactly_once && now - last_commit_ns_ >= kKeepAliveNs) {
    if (Status kept = commit_confirmed_offset(); !kept) return kept;
    last_commit_ns_ = now;
  }
  if (Status said = say_alive(now); !said) return said;
  if (now < next_forget_ns_) return ok();
  next_forget_ns_ = now + kForgetEveryNs;
  const auto losses =
      options_.ledger_topic.empty() ? checkpoint::Unshipped::kForget : checkpoint::Unshipped::kWait;
  if (const auto forgotten =
          store_.forget_gone(options_.lane, clock_.wall_ns() - options_.retention_ns, losses);
      forgotten && forgotten.value() > 0) {
    spdlog::info("lane {}: forgot {} sources whose files are gone", options_.lane.value,
                 forgotten.value());
  }
  return ok();
}

// What is there by now will have been seen by the next time. A full disk keeps the older time: more
// is looked at after a restart then, never less.
Status Lane::say_alive(int64_t now_ns) {
  if (options_.lane != LaneId{0} || now_ns < next_alive_ns_) return ok();
  const bool first = next_alive_ns_ == 0;
  next_alive_ns_ = now_ns + kAliveEveryNs;
  if (first) return ok();
  const Status put =
      store_.set_value(checkpoint::kAliveValue, std::to_string(clock_.wall_ns() - kAliveEveryNs));
  return put || put.error().code != ErrorCode::kFatal ? ok() : put;
}

void Lane::wait_for_work() {
  const int64_t now = clock_.monotonic_ns();
  int64_t until = now + kIdleWaitNs;
  const auto sooner = [&](int64_t at) {
    if (at > 0) until = std::min(until, at);
  };
  sooner(sources_.next_recheck_ns());
  // A parking that is over does not wake us again and again: unpark() has tried it by then.
  if (const int64_t retry = destinations_.next_retry_ns(); retry > now) sooner(retry);
  if (saturated_) sooner(std::min(now + kSaturatedWaitNs, stalled_at_ns()));
  if (!unapplied_.empty()) sooner(now + kRetryMaxNs);
  if (!open_ && sources_.any_drifted()) sooner(next_settle_ns_);
  if (open_) sooner(opened_ns_ + options_.linger_ns);
  if (open_ && !saturated_) sooner(next_read_ns_);
  if (sources_.has_ready() && !saturated_) return;

  // While a transaction gathers, what the watch loop says can wait for the next look.
  std::array<int, 2> readable{};
  size_t count = 0;
  if (!open_ || now >= next_read_ns_) readable[count++] = inbox_.wake_fd();
  if (saturated_) readable[count++] = session_->report_fd();
  waiter_.wait(until, std::span(readable).first(count));
}

}  // namespace longshore::agent
