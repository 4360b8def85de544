// The end of an archiver, within the ten seconds that service managers wait: SIGTERM is noticed on
// a thread of its own, because a hung file system may block the main one.
//
//   SIGTERM --> stopping() --6 s--> overdue() --3 s--> exit 0
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "integrations/kafka/stop_signals.h"

namespace longshore::archive {

/// Thread: any.
class Ending {
 public:
  Ending();
  ~Ending();
  Ending(const Ending&) = delete;
  Ending& operator=(const Ending&) = delete;

  /// Whether SIGTERM came; waits up to `timeout_ms` for it.
  bool stopping(int timeout_ms);
  /// True when requests to the archive must be given up. Lives as long as this object.
  const std::atomic<bool>* overdue() const { return &overdue_; }

 private:
  void watch();
  bool wait_until_done(int timeout_ms);

  const kafka::StopSignals signals_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool done_ = false, stopping_ = false;
  std::atomic<bool> overdue_ = false;
  std::thread watch_;  // Last: it uses the members above.
};

}  // namespace longshore::archive
