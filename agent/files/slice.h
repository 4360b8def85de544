// What one turn of the watch loop may spend on work that has no bound of its own, such as scanning
// a container's directories: after it others have their turns, and the work goes on later.
#pragma once

#include <cstddef>
#include <cstdint>

#include "config/clock.h"

namespace longshore::agent {

/// Thread: the watch loop. Lives for one turn.
class Slice {
 public:
  /// Ends after `ns`, and after `steps` whatever the time: in the simulation no time passes while
  /// something is computed.
  Slice(const Clock& clock, int64_t ns, size_t steps)
      : clock_(clock), until_ns_(clock.monotonic_ns() + ns), steps_left_(steps) {}

  /// A step is about as much as opening a file.
  void spend(size_t steps) { steps_left_ -= steps < steps_left_ ? steps : steps_left_; }
  bool is_used_up() const { return steps_left_ == 0 || clock_.monotonic_ns() >= until_ns_; }

 private:
  const Clock& clock_;
  const int64_t until_ns_;
  size_t steps_left_;
};

}  // namespace longshore::agent
