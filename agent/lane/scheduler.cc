#include "agent/lane/scheduler.h"

#include <cassert>

namespace longshore::agent {
namespace {

// A container, or a declared log of the host. Container ids hold no slash.
std::string tenant_of(const SourceSpec& spec) {
  return spec.container_id.empty() ? "/" + spec.declaration->name : spec.container_id;
}

}  // namespace

void Scheduler::make_ready(LaneSource& source) {
  if (source.turn.is_ready) return;
  cancel_wake(source);
  source.turn.is_ready = true;
  const auto [ring, added] = rings_.try_emplace(tenant_of(*source.spec));
  ring->second.push_back(&source);
  if (added) turns_.push_back(&*ring);
}

LaneSource* Scheduler::next() {
  LaneSource* source = nullptr;
  if (!first_.empty()) {
    source = first_.front();
    first_.pop_front();
  } else if (!turns_.empty()) {
    auto& [tenant, ring] = *turns_.front();
    source = ring.front();
    ring.pop_front();
    if (!ring.empty()) {
      turns_.push_back(turns_.front());
    } else {
      rings_.erase(rings_.find(tenant));
    }
    turns_.pop_front();
  }
  if (source != nullptr) source->turn.is_ready = false;
  return source;
}

Scheduler::Round Scheduler::end_round() {
  const Round round{.room_missing = !without_room_.empty(),
                    .transaction_missing = !excluded_.empty()};
  for (LaneSource* const source : without_room_) make_ready(*source);
  for (LaneSource* const source : excluded_) {
    assert(!source->turn.is_ready && source->turn.wake_at_ns == 0);
    source->turn.is_ready = true;
    first_.push_front(source);
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
