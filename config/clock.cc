#include "config/clock.h"

#include <ctime>

namespace longshore {
namespace {

int64_t read_clock(clockid_t id) {
  timespec now{};
  clock_gettime(id, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

int64_t SystemClock::wall_ns() const { return read_clock(CLOCK_REALTIME); }
int64_t SystemClock::monotonic_ns() const { return read_clock(CLOCK_MONOTONIC); }

}  // namespace longshore
