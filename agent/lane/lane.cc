#include "agent/lane/lane.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <span>

#include "config/limits.h"

namespace longshore::agent {
namespace {

constexpr int64_t kSecondNs = 1'000 * limits::kMs;

}  // namespace

Lane::Lane(LaneSetup setup, Sources& sources, Destinations& destinations)
    : setup_(std::move(setup)),
      sources_(sources),
      inbox_(setup_, sources, delivered_),
      batches_(setup_.options.batch_bytes, setup_.options.linger_ns),
      outage_(setup_),
      stuck_(setup_.clock, destinations, outage_),
      blame_(setup_.clock, batches_, destinations),
      feed_(setup_.clock, destinations, blame_, stuck_),
      ledger_(setup_, sources, destinations),
      transaction_(setup_, sources, inbox_, blame_, feed_, ledger_, delivered_),
      reader_(setup_, sources, destinations, inbox_, batches_, feed_, ledger_, transaction_,
              outage_),
      ids_(setup_),
      housekeeping_(setup_, sources, transaction_, delivered_, ids_),
      take_over_(setup_, sources, inbox_, feed_, transaction_, delivered_, ids_, outage_) {}

void Lane::run() {
  const LaneId lane = setup_.options.lane;
  for (;;) {
    Status status = start_session();
    if (status) status = ship();
    if (status) break;
    const auto& [code, message] = status.error();
    if (code == ErrorCode::kInvalid || code == ErrorCode::kFatal) {
      transaction_.give_up();
      setup_.outbox.post(LaneStopped{lane, 2, message, code == ErrorCode::kFatal});
      return;
    }
    note_failure(status.error());
    transaction_.keep_delivered();
    transaction_.give_up();
    if (!wait_before_retry()) break;
  }
  feed_.stop();
  setup_.outbox.post(LaneStopped{lane, 0, "", false});
}

// A lane whose transactions cannot be stored leaves Kafka alone.
Status Lane::probe_store() {
  if (!transaction_.store_is_refusing()) return ok();
  const LaneId lane = setup_.options.lane;
  const int64_t now = setup_.clock.monotonic_ns();
  if (Status probed = transaction_.probe_store(); !probed) {
    if (store_refuses_since_ns_ == 0) {
      store_refuses_since_ns_ = std::max<int64_t>(now, 1);
      spdlog::error(
          "lane {}: the state directory cannot be written, so its {} logs wait, and nothing is "
          "lost: {} Free space on its file system. Trying every {} s.",
          lane.value, sources_.size(), probed.error().message, limits::kRetryNsMax / kSecondNs);
    }
    return probed;
  }
  if (store_refuses_since_ns_ != 0) {
    spdlog::info("lane {}: the state directory can be written again after {} s: its logs go on",
                 lane.value, (now - store_refuses_since_ns_) / kSecondNs);
  }
  store_refuses_since_ns_ = 0;
  return ok();
}

Status Lane::start_session() {
  if (Status probed = probe_store(); !probed) return probed;
  if (Status taken = take_over_.run(batches_.session_bytes()); !taken) return taken;
  if (Status loaded = ledger_.load_waiting(); !loaded) return loaded;
  housekeeping_.offset_committed();
  return ok();
}

Status Lane::ship() {
  Scheduler& scheduler = sources_.scheduler();
  for (;;) {
    const OpenTransaction::State& open = transaction_.state();
    if (!open.is_open || setup_.clock.monotonic_ns() >= open.next_look_ns) {
      inbox_.apply();
      inbox_.judge_copies();
      transaction_.note_look();
    }
    if (!open.is_open && sources_.unstored().take_wrote_refusals()) {
      if (Status loaded = ledger_.load_waiting(); !loaded) return loaded;
    }
    scheduler.wake_due(setup_.clock.monotonic_ns());
    if (Status collected = feed_.collect(0); !collected) return collected;
    if (Status moving = feed_.look_for_stuck(); !moving) return moving;
    if (!inbox_.stop_reading()) {
      if (Status read = reader_.read_ready(); !read) return read;
      const bool ledger_alone = !inbox_.stopping() && !open.is_open && ledger_.any_waiting();
      if (ledger_alone && ledger_.destination() != nullptr) {
        if (Status begun = transaction_.begin(); !begun) return begun;
      }
    }
    if (open.is_open && reader_.transaction_is_due()) {
      if (Status closed = close_transaction(); !closed) return closed;
      continue;
    }
    const bool idle = !scheduler.has_ready() || inbox_.stopping();
    if (!open.is_open && (idle || sources_.moved().any_drifted())) {
      if (Status settled = housekeeping_.settle(); !settled) return settled;
      if (idle) setup_.kafka.close_queries();
    }
    if (finished()) return ok();
    if (Status tended = tend(); !tended) return tended;
    wait_for_work();
  }
}

Status Lane::close_transaction() {
  if (Status closed = transaction_.close(); !closed) return closed;
  batches_.committed();
  housekeeping_.offset_committed();
  failures_ = 0;
  retry_.reset();
  if (Status tended = tend(); !tended) return tended;
  return try_larger_batches();
}

// What is due between transactions, however busy the lane is.
Status Lane::tend() {
  if (Status tended = housekeeping_.tend(); !tended) return tended;
  if (!housekeeping_.take_over_is_due() || inbox_.stopping()) return ok();
  return renew_session();
}

Status Lane::try_larger_batches() {
  const int64_t now = setup_.clock.monotonic_ns();
  if (inbox_.stopping() || !batches_.growth_is_due(now)) return ok();
  batches_.grow(now);
  return renew_session();
}

// REQUIRES: no transaction is open.
Status Lane::renew_session() {
  if (Status settled = housekeeping_.settle(); !settled) return settled;
  transaction_.give_up();
  return start_session();
}

bool Lane::finished() const {
  if (transaction_.is_open() || delivered_.is_unconfirmed) return false;
  if (inbox_.stopping()) return true;
  const Scheduler& scheduler = sources_.scheduler();
  return setup_.options.once && inbox_.start_scanned() && inbox_.all_applied() &&
         !scheduler.has_ready() && scheduler.next_wake_ns() == 0;
}

void Lane::wait_for_work() {
  const int64_t now = setup_.clock.monotonic_ns();
  const OpenTransaction::State& open = transaction_.state();
  const bool any_ready = sources_.scheduler().has_ready();
  if (any_ready && !open.room_missing) return;
  if (inbox_.has_more() && !open.is_open) return;
  int64_t until = now + limits::kIdleWaitNs;
  const auto sooner = [&](int64_t at) {
    if (at > 0) until = std::min(until, at);
  };
  sooner(sources_.scheduler().next_wake_ns());
  if (!inbox_.all_applied()) sooner(now + limits::kRetryNsMax);
  if (inbox_.has_questions()) sooner(now + limits::kCopyAnswerNs);
  if (!open.is_open) {
    // A retry time that has passed was handled already; it must not wake the lane over and over.
    if (ledger_.any_waiting() && ledger_.retry_at_ns() > now) sooner(ledger_.retry_at_ns());
    if (sources_.moved().any_drifted()) sooner(housekeeping_.next_settle_ns());
  } else {
    sooner(batches_.due_at_ns(open.opened_ns));
    if (open.room_missing) {
      sooner(std::min(now + limits::kRoomWaitNs, feed_.stalled_at_ns(open.opened_ns)));
    } else {
      sooner(open.next_look_ns);
    }
  }

  // While a transaction gathers, messages of the watch loop can wait for the next look.
  std::array<int, 2> readable{};
  size_t count = 0;
  if (!open.is_open || now >= open.next_look_ns) readable[count++] = setup_.inbox.wake_fd();
  if (open.room_missing) readable[count++] = feed_.session().report_fd();
  setup_.waiter.wait(until, std::span(readable).first(count));
}

// The first failures of an outage are logged, then fewer and fewer.
void Lane::note_failure(const Error& error) {
  if (blame_.heed(feed_.last_trouble(), transaction_.state().topics)) retry_.reset();
  // These are told once.
  if (outage_.take_noted() || transaction_.store_is_refusing()) return;
  ++failures_;
  if (failures_ > 3 && (failures_ & (failures_ - 1)) != 0) return;
  spdlog::warn(
      "lane {}: {} Nothing is lost: its logs wait at their confirmed positions. Trying again.",
      setup_.options.lane.value, error.message);
}

bool Lane::wait_before_retry() {
  const int64_t until = setup_.clock.monotonic_ns() + retry_.next();
  while (setup_.clock.monotonic_ns() < until && !inbox_.stopping()) {
    setup_.waiter.wait(until, std::array{setup_.inbox.wake_fd()});
    inbox_.apply();
  }
  return !inbox_.stopping();
}

}  // namespace longshore::agent
