// The sources of a lane whose states are ahead of the confirmed ones.
//
//   outside a transaction: drift() --> [ drifted ] --join_drifted()--> [ moved ] <-- move(): inside
#pragma once

#include <utility>
#include <vector>

#include "agent/lane/lane_source.h"
#include "checkpoint/store.h"

namespace longshore::agent {

/// Thread: its lane's.
class MovedSources {
 public:
  /// It belongs to the open transaction.
  void move(LaneSource& source) {
    if (source.ahead == Ahead::kMoved) return;
    source.ahead = Ahead::kMoved;
    moved_.push_back(&source);
  }

  /// Its state advanced outside a transaction and there is nothing to ship: it is stored with the
  /// next transaction, or by itself.
  void drift(LaneSource& source) {
    if (source.ahead != Ahead::kNo) return;
    source.ahead = Ahead::kDrifted;
    drifted_.push_back(&source);
  }
  bool any_drifted() const { return !drifted_.empty(); }
  void join_drifted() {
    for (LaneSource* const source : std::exchange(drifted_, {})) move(*source);
  }

  const std::vector<LaneSource*>& all() const { return moved_; }

  /// What PREPARE stores, in the order of all().
  std::vector<checkpoint::PreparedSource> states() const {
    std::vector<checkpoint::PreparedSource> states;
    states.reserve(moved_.size());
    for (const LaneSource* const source : moved_) {
      states.push_back({source->spec->id, source->tail.state()});
    }
    return states;
  }

  /// Takes those out of all() that `is_wanted`: they are not ahead any more.
  template <typename Wanted>
  std::vector<LaneSource*> take(const Wanted& is_wanted) {
    std::vector<LaneSource*> taken;
    std::erase_if(moved_, [&](LaneSource* const source) {
      if (!is_wanted(*source)) return false;
      source->ahead = Ahead::kNo;
      taken.push_back(source);
      return true;
    });
    return taken;
  }

  /// No source is ahead any more. Returns all() as it was.
  std::vector<LaneSource*> clear() {
    for (LaneSource* const source : moved_) source->ahead = Ahead::kNo;
    for (LaneSource* const source : std::exchange(drifted_, {})) source->ahead = Ahead::kNo;
    return std::exchange(moved_, {});
  }

 private:
  std::vector<LaneSource*> moved_, drifted_;
};

}  // namespace longshore::agent
