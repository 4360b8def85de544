// SIGTERM and SIGINT as something to wait for.
#pragma once

#include "config/fd.h"

namespace longshore::kafka {

/// Blocks both signals from its making on, and SIGPIPE, which a closed pipe reports as an error
/// anyway. Make it before any thread. Thread: one.
class StopSignals {
 public:
  StopSignals();
  /// Whether one came; waits for it up to `timeout_ms` (-1: for ever).
  bool raised(int timeout_ms) const;

 private:
  Fd fd_;
};

}  // namespace longshore::kafka
