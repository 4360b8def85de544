// Warnings that something is waited for, which would otherwise fill the log.
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

  /// Logs the sentence unless another one was logged in the last ten seconds; the next one that is
  /// logged says how many were not.
  void add(const std::string& sentence);

 private:
  const Clock& clock_;
  std::mutex mutex_;
  int64_t logged_ns_ = 0;  // 0: nothing was yet.
  uint64_t suppressed_ = 0;
};

}  // namespace longshore::kafka
