// How long to wait before trying again: `first`, then twice as long each time, up to `last`.
#pragma once

#include <algorithm>
#include <cassert>
#include <cstdint>
#include <utility>

namespace longshore {

/// Passive: the caller waits. The unit is the caller's too, the same throughout.
class Backoff {
 public:
  /// REQUIRES: 0 < first <= last.
  constexpr Backoff(int64_t first, int64_t last) : first_(first), last_(last), wait_(first) {
    assert(0 < first && first <= last);
  }

  /// The wait before this attempt. The one after it is twice as long.
  int64_t next() { return std::exchange(wait_, wait_ > last_ / 2 ? last_ : wait_ * 2); }

  /// The same, shortened by up to half: clients that failed together must not return together.
  /// `random` is any number; the result depends on nothing else.
  int64_t next_spread(uint64_t random) {
    const int64_t wait = next();
    return wait - static_cast<int64_t>(random % (static_cast<uint64_t>(wait) / 2 + 1));
  }

  /// After a success: the next wait is `first` again.
  void reset() { wait_ = first_; }

 private:
  int64_t first_, last_;
  int64_t wait_;
};

}  // namespace longshore
