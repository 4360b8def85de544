// One container, or one declared log of the host: whoever's trouble must stay its own. Its scans
// take at most a fifth of the time, but for a first rush, so that the files of a container that
// lives for milliseconds are found at once.
#pragma once

#include <algorithm>
#include <cstdint>

#include "agent/files/open_count.h"
#include "config/limits.h"

namespace longshore::agent {

/// Thread: the watch loop. Times are monotonic.
class Tenant {
 public:
  /// When it may scan; at most `now_ns`: now.
  int64_t may_scan_at_ns(int64_t now_ns) {
    refill(now_ns);
    if (credit_ns_ > 0) return now_ns;
    return now_ns + (-credit_ns_ + 1) * limits::kTenantPauseFactor;
  }
  /// Nothing is gained meanwhile.
  void scanned(int64_t began_ns, int64_t now_ns) {
    refill(began_ns);
    filled_ns_ = now_ns;
    credit_ns_ -= now_ns - began_ns;
  }
  /// Its processes have ended, and its files may go: it may rush once more.
  void rush(int64_t now_ns) {
    refill(now_ns);
    if (now_ns < next_rush_ns_) return;
    next_rush_ns_ = now_ns + limits::kTenantRushNs * (limits::kTenantPauseFactor + 1);
    credit_ns_ = limits::kTenantRushNs;
  }

  OpenCount open;      ///< Files that are open for it.
  size_t sources = 0;  ///< Known sources that it was the first to name.
  size_t watches = 0;  ///< Directories that its logs look at.

 private:
  void refill(int64_t now_ns) {
    const int64_t gained = (now_ns - filled_ns_) / limits::kTenantPauseFactor;
    filled_ns_ += gained * limits::kTenantPauseFactor;
    credit_ns_ = std::min(credit_ns_ + gained, limits::kTenantRushNs);
  }

  int64_t credit_ns_ = limits::kTenantRushNs;
  int64_t filled_ns_ = 0;
  int64_t next_rush_ns_ = 0;
};

}  // namespace longshore::agent
