// How a lane's thread waits. Beside the clock this is the only seam to the passage of time: in the
// simulation the world moves on while a lane waits, on the same thread.
#pragma once

#include <cstdint>
#include <span>

#include "config/clock.h"

namespace longshore::agent {

/// Thread: a lane's. One waiter may serve several lanes.
class Waiter {
 public:
  virtual ~Waiter() = default;
  /// Waits until `until_ns` (monotonic) or until a descriptor is readable. May return early.
  virtual void wait(int64_t until_ns, std::span<const int> readable) = 0;
};

/// ppoll(2).
class SystemWaiter final : public Waiter {
 public:
  explicit SystemWaiter(const Clock& clock) : clock_(clock) {}
  void wait(int64_t until_ns, std::span<const int> readable) override;

 private:
  const Clock& clock_;
};

}  // namespace longshore::agent
