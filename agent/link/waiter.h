// How a lane's thread waits: beside the clock the only seam to time that passes. In the simulation
// the world goes on meanwhile, on the same thread.
#pragma once

#include <cstdint>
#include <span>

#include "config/clock.h"

namespace longshore::agent {

/// Thread: a lane's; one may serve several.
class Waiter {
 public:
  virtual ~Waiter() = default;
  /// Until `until_ns` (monotonic), or until one of the descriptors is readable. May return early.
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
