#include "agent/lane/housekeeping.h"

#include <spdlog/spdlog.h>

#include <string>

#include "config/limits.h"

namespace longshore::agent {

Housekeeping::Housekeeping(const LaneSetup& setup, Sources& sources, OpenTransaction& transaction,
                           LastDelivered& delivered, TransactionalIds& ids)
    : setup_(setup),
      sources_(sources),
      transaction_(transaction),
      delivered_(delivered),
      ids_(ids) {}

Status Housekeeping::settle() {
  const LaneId lane = setup_.options.lane;
  if (Status confirmed = delivered_.confirm(setup_.store, lane); !confirmed) return confirmed;
  const int64_t now = setup_.clock.monotonic_ns();
  if (!sources_.moved().any_drifted() || now < next_settle_ns_) return ok();
  next_settle_ns_ = now + limits::kSettleEveryNs;
  if (Status stored = sources_.unstored().store(lane); !stored) return stored;
  sources_.moved().join_drifted();
  const auto states = sources_.moved().states();
  if (Status advanced = setup_.store.advance(lane, states); !advanced) return advanced;
  sources_.confirmed(states);
  return ok();
}

Status Housekeeping::tend() {
  if (transaction_.is_open()) return ok();
  const int64_t now = setup_.clock.monotonic_ns();
  if (Status kept = keep_offset(now); !kept) return kept;
  if (Status noted = note_alive(now); !noted) return noted;
  forget_gone(now);
  return look_at_left_id(now);
}

// Kafka forgets offsets and transactional ids that have been idle for seven days.
Status Housekeeping::keep_offset(int64_t now_ns) {
  if (!setup_.options.exactly_once || now_ns - offset_committed_ns_ < limits::kKeepOffsetNs) {
    return ok();
  }
  if (Status kept = transaction_.commit_offset_only(); !kept) return kept;
  offset_committed_ns_ = now_ns;
  return ok();
}

// By the next call everything that is there now will have been seen, so the time of the last call
// is stored. When the disk is full an older time stays: a restart looks at more then, never less.
Status Housekeeping::note_alive(int64_t now_ns) {
  if (setup_.options.lane != LaneId{0} || now_ns < next_alive_ns_) return ok();
  const bool first = next_alive_ns_ == 0;
  next_alive_ns_ = now_ns + limits::kAliveEveryNs;
  if (first) return ok();
  const Status stored = setup_.store.set_value(
      checkpoint::kAliveValue, std::to_string(setup_.clock.wall_ns() - limits::kAliveEveryNs));
  return stored || stored.error().code != ErrorCode::kFatal ? ok() : stored;
}

// Also fences whoever still has a session with that id: another agent on a copy of the state
// directory, for one.
Status Housekeeping::look_at_left_id(int64_t now_ns) {
  if (!setup_.options.exactly_once || !ids_.any_left()) {
    next_left_id_ns_ = 0;
    return ok();
  }
  const bool waits = next_left_id_ns_ == 0;
  if (waits) left_id_wait_.reset();
  if (!waits && now_ns < next_left_id_ns_) return ok();
  next_left_id_ns_ = now_ns + left_id_wait_.next();
  if (waits) return ok();
  const LaneOptions& options = setup_.options;
  auto session = setup_.kafka.open(
      {.group = lane_group(options.host_id, options.lane), .transactional_id = ids_.first_left()});
  if (!session || !session.value()->init_transactions(limits::kKafkaCallMs)) {
    ids_.first_left_is_busy();
    return ok();
  }
  next_left_id_ns_ = 0;
  take_over_is_due_ = true;
  return ids_.first_left_is_free();
}

void Housekeeping::forget_gone(int64_t now_ns) {
  if (now_ns < next_forget_ns_) return;
  next_forget_ns_ = now_ns + limits::kForgetEveryNs;
  const LaneOptions& options = setup_.options;
  const auto losses =
      options.ledger_topic.empty() ? checkpoint::Unshipped::kForget : checkpoint::Unshipped::kWait;
  const int64_t before_ns = setup_.clock.wall_ns() - options.retention_ns;
  const auto forgotten = setup_.store.forget_gone(options.lane, before_ns, losses);
  if (!forgotten || forgotten.value() == 0) return;
  spdlog::info(
      "lane {}: forgot {} logs: their files were deleted longer ago than --retention-hours",
      options.lane.value, forgotten.value());
}

}  // namespace longshore::agent
