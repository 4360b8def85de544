// The progress line of long work on a terminal: how much of the total has been read, how fast, and
// how long the rest will take.
#pragma once

#include <cstdint>

#include "agent/run/agent.h"
#include "config/clock.h"

namespace longshore::agent {

/// Thread: the watch loop.
class Progress {
 public:
  /// Silent unless `enabled`.
  Progress(bool enabled, const Clock& clock);
  void show(const AgentProgress& progress);
  void finish();

 private:
  const bool enabled_;
  const Clock& clock_;
  const int64_t began_ns_;
  bool shown_ = false;
};

}  // namespace longshore::agent
