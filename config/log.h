// The program's own log on standard error: one line for each event, in colour on a terminal.
#pragma once

#include <spdlog/formatter.h>

#include <memory>
#include <string>

namespace longshore {

/// Time, level, message. Messages contain names that a container chose: whatever characters they
/// hold, a message stays on one line and cannot control the terminal.
std::unique_ptr<spdlog::formatter> log_formatter();

/// Makes this the default log. Call once, before anything is logged. Logging never blocks:
/// config/stderr_sink.h.
void start_log();

/// `level` is debug, info, warn or error; at first it is info.
void set_log_level(const std::string& level);

}  // namespace longshore
