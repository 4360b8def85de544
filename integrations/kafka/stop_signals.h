// SIGTERM and SIGINT as something to wait for.
#pragma once

#include <functional>

#include "config/fd.h"

namespace longshore::kafka {

/// Whether the process was told to stop; waits up to `timeout_ms` for that.
using Stopping = std::function<bool(int timeout_ms)>;

/// Blocks both signals as long as the process lives, and SIGPIPE, because writing to a closed pipe
/// returns an error anyway. Make it before any thread. Thread: any.
class StopSignals {
 public:
  StopSignals();
  /// Whether one came; waits up to `timeout_ms` for it (-1: without limit).
  bool raised(int timeout_ms) const;

 private:
  Fd fd_;
};

}  // namespace longshore::kafka
