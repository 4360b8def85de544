// How often something may happen: `most` times at once, then once in `each_ns`.
#pragma once

#include <algorithm>
#include <cstdint>

namespace longshore::agent {

/// Thread: none of its own; a value. A source has several, so it is small.
template <int kMost, int64_t kEachNs>
class Allowance {
 public:
  /// Whether it may happen now; then it counts.
  bool take(int64_t now_ns) {
    const int64_t from = std::max(used_until_ns_, now_ns);
    if (from + kEachNs - now_ns > kMost * kEachNs) return false;
    used_until_ns_ = from + kEachNs;
    return true;
  }

 private:
  int64_t used_until_ns_ = 0;
};

}  // namespace longshore::agent
