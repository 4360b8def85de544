// Decides which source of a lane is looked at next, and when.
//
//   something happened --make_ready()--> [ ready ] --next()--> a turn
//                                            ^                  |-- make_ready(): there may be more
//                                            |                  |-- wait_for_...(): not this round
//                                            +--- wake_due() <--+-- wake_at(): at that time
//                                                               +-- otherwise it is idle
//
// A source is ready, or waits for its time, or is idle; idle sources cost nothing. Containers, and
// the declared logs of the host, take turns, and so do the sources of each: one of many thousand
// files does not hold up the others.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "agent/lane/lane_source.h"

namespace longshore::agent {

/// Thread: its lane's.
class Scheduler {
 public:
  /// Puts it at the end of its tenant's ring, unless it is ready. It no longer waits for a time.
  void make_ready(LaneSource& source);
  bool has_ready() const { return !first_.empty() || !turns_.empty(); }
  /// The first of the tenant whose turn it is, no longer ready; null: none is.
  LaneSource* next();

  /// Not in this round: its destination or the memory is full.
  void wait_for_room(LaneSource& source) { without_room_.push_back(&source); }
  /// Not in this round: the open transaction may not include it.
  void wait_for_next_transaction(LaneSource& source) { excluded_.push_back(&source); }
  struct Round {
    bool room_missing = false;
    bool transaction_missing = false;
  };
  /// Puts back the sources that waited in this round, and tells whether there were any. Those
  /// without room go to the end, those that the next transaction begins with come before all.
  Round end_round();

  /// Makes it ready at `at_ns`.
  /// REQUIRES: it is not ready.
  void wake_at(LaneSource& source, int64_t at_ns);
  void wake_due(int64_t now_ns);
  /// The earliest time that a source waits for; 0: none does.
  int64_t next_wake_ns() const { return wakes_.empty() ? 0 : wakes_.begin()->first.first; }

 private:
  void cancel_wake(LaneSource& source);

  using Rings = std::unordered_map<std::string, std::deque<LaneSource*>>;

  std::deque<LaneSource*> first_;
  Rings rings_;                                       // By tenant; none is empty.
  std::deque<Rings::value_type*> turns_;              // All rings.
  std::vector<LaneSource*> without_room_, excluded_;  // In this round.
  // By time, then in the order of the calls.
  std::map<std::pair<int64_t, uint64_t>, LaneSource*> wakes_;
  uint64_t wake_order_ = 0;
};

}  // namespace longshore::agent
