// The progress line of long work on a terminal: what was read of what is there, how fast, how long
// still.
#pragma once

#include <cstdint>
#include <vector>

#include "agent/lane.h"
#include "config/clock.h"

namespace longshore::agent {

/// Thread: the watch loop.
class Progress {
 public:
  /// Silent unless `enabled`.
  Progress(bool enabled, std::vector<const LaneProgress*> lanes, const Clock& clock);
  void show();
  void finish();

 private:
  const bool enabled_;
  const std::vector<const LaneProgress*> lanes_;
  const Clock& clock_;
  const int64_t began_ns_;
  bool shown_ = false;
};

}  // namespace longshore::agent
