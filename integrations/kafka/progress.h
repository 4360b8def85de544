// Decides when the next progress line of a long task is due and where it goes: into the log, line
// after line, or onto a terminal, where each replaces the one before.
#pragma once

#include <cstdint>
#include <string>

#include "config/clock.h"

namespace longshore::kafka {

/// Thread: one.
class Progress {
 public:
  enum class To : uint8_t { kLog, kTerminal };

  /// `period_ms` 0: nothing is ever due. `clock` outlives it.
  Progress(const Clock& clock, To to, int64_t period_ms);
  /// Clears the terminal's line.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  bool due() const;
  /// Since the last line, else since the beginning; more than 0.
  double seconds() const;
  double seconds_in_all() const;
  void show(const std::string& line);

 private:
  const Clock& clock_;
  const To to_;
  const int64_t period_ns_;
  const int64_t began_ns_;
  int64_t shown_ns_;
};

}  // namespace longshore::kafka
