// Warnings about waiting, which would fill the log if all of them were logged.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>

#include "config/clock.h"

namespace longshore::kafka {

/// Thread: any.
class Complaints {
 public:
  explicit Complaints(const Clock& clock) : clock_(clock) {}

  /// Logs the sentence, unless one was logged in the last ten seconds. The next one that is logged
  /// tells how many were suppressed.
  void add(const std::string& sentence);

 private:
  const Clock& clock_;
  std::mutex mutex_;
  int64_t logged_ns_ = 0;  // 0: none was logged yet.
  uint64_t suppressed_ = 0;
};

}  // namespace longshore::kafka
