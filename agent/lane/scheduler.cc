#include "agent/lane/scheduler.h"

#include <cassert>

namespace longshore::agent {

void Scheduler::make_ready(LaneSource& source) {
  if (source.turn.is_ready) return;
  cancel_wake(source);
  source.turn.is_ready = true;
  ring_.push_back(&source);
}

LaneSource* Scheduler::next() {
  if (ring_.empty()) return nullptr;
  LaneSource* const source = ring_.front();
  ring_.pop_front();
  source->turn.is_ready = false;
  return source;
}

Scheduler::Round Scheduler::end_round() {
  const Round round{.room_missing = !without_room_.empty(),
                    .transaction_missing = !excluded_.empty()};
  for (LaneSource* const source : without_room_) make_ready(*source);
  for (LaneSource* const source : excluded_) {
    assert(!source->turn.is_ready && source->turn.wake_at_ns == 0);
    source->turn.is_ready = true;
    ring_.push_front(source);
  }
  without_room_.clear();
  excluded_.clear();
  return round;
}

void Scheduler::wake_at(LaneSource& source, int64_t at_ns) {
  assert(!source.turn.is_ready && at_ns > 0);
  cancel_wake(source);
  source.turn.wake_at_ns = at_ns;
  source.turn.wake_order = ++wake_order_;
  wakes_.emplace(std::pair(at_ns, source.turn.wake_order), &source);
}

void Scheduler::wake_due(int64_t now_ns) {
  while (!wakes_.empty() && wakes_.begin()->first.first <= now_ns) {
    make_ready(*wakes_.begin()->second);
  }
}

void Scheduler::cancel_wake(LaneSource& source) {
  if (source.turn.wake_at_ns == 0) return;
  wakes_.erase({source.turn.wake_at_ns, source.turn.wake_order});
  source.turn.wake_at_ns = 0;
}

}  // namespace longshore::agent
