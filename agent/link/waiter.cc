#include "agent/link/waiter.h"

#include <poll.h>

#include <algorithm>
#include <array>
#include <cassert>

namespace longshore::agent {

void SystemWaiter::wait(int64_t until_ns, std::span<const int> readable) {
  std::array<pollfd, 4> waits{};
  assert(readable.size() <= waits.size());
  for (size_t i = 0; i < readable.size(); ++i) {
    waits[i] = {.fd = readable[i], .events = POLLIN, .revents = 0};
  }
  const int64_t wait_ns = std::max<int64_t>(until_ns - clock_.monotonic_ns(), 0);
  const timespec wait{.tv_sec = wait_ns / 1'000'000'000, .tv_nsec = wait_ns % 1'000'000'000};
  ::ppoll(waits.data(), readable.size(), &wait, nullptr);
}

}  // namespace longshore::agent
