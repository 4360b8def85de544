// The only source of the time. Tests and the simulation bring their own clock.
#pragma once

#include <cstdint>

namespace longshore {

/// Thread: any; an implementation keeps no mutable state of its own, or guards it.
class Clock {
 public:
  virtual ~Clock() = default;

  /// Nanoseconds since the Unix epoch; may jump in either direction.
  virtual int64_t wall_ns() const = 0;

  /// Nanoseconds since some fixed start; never goes back.
  virtual int64_t monotonic_ns() const = 0;
};

/// The kernel's clocks.
class SystemClock final : public Clock {
 public:
  int64_t wall_ns() const override;
  int64_t monotonic_ns() const override;
};

}  // namespace longshore
