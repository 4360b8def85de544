// The program's own log: standard error, one line an event, colours on a terminal only.
#pragma once

#include <spdlog/formatter.h>

#include <memory>
#include <string>

namespace longshore {

/// Time, level, message. Names that a container chose stand in messages: whatever they hold, a
/// message stays one line and moves no cursor.
std::unique_ptr<spdlog::formatter> log_formatter();

/// Makes this the default log; `level` is debug, info, warn or error. Call it once.
void start_log(const std::string& level = "info");

}  // namespace longshore
