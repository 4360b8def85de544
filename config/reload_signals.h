// SIGHUP, SIGUSR1 and SIGUSR2, with which operators make other daemons read their settings again or
// reopen their logs. Untreated, each would end the process without a word.
#pragma once

#include <thread>

#include "config/fd.h"

namespace longshore {

/// While it exists, each of these signals is logged and otherwise ignored. Only a SIGHUP that comes
/// because the terminal was closed ends the process, as SIGTERM does.
/// Thread: make it before any other; it takes the signals on a thread of its own.
class ReloadSignals {
 public:
  /// `terminal`: the process belongs to a terminal, see on_terminal().
  explicit ReloadSignals(bool terminal);
  ~ReloadSignals();
  ReloadSignals(const ReloadSignals&) = delete;
  ReloadSignals& operator=(const ReloadSignals&) = delete;

  /// Whether the process writes its log to a terminal and was not started to outlive it (nohup).
  static bool on_terminal();

 private:
  void take_all();

  const bool terminal_;
  Fd signals_, done_;
  std::thread thread_;  // Last: it uses the members above.
};

}  // namespace longshore
