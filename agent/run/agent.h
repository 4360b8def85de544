// One run of the agent: wires the state directory, the lanes and the watch loop together, and takes
// them apart.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "config/settings.h"

namespace longshore::agent {

/// Why run_agent_once() returned.
struct AgentOutcome {
  int exit_status = 0;
  bool restart = false;  ///< An fsync failed: rebuild the checkpoint, then run again.
  bool wait = false;     ///< The state directory is full: run again a little later.
  std::string message;   ///< For an exit status other than 0: one sentence.
};

/// How far all lanes together have come.
struct AgentProgress {
  uint64_t sources = 0;
  uint64_t bytes_read = 0;   ///< Of files, in records or not.
  uint64_t bytes_total = 0;  ///< In the opened files, when they were opened.
};

/// Runs until a signal arrives, `--once` is done, or a lane has to stop. Calls `show` about every
/// half second.
/// Thread: the caller's becomes the watch loop's, and calls `show`.
AgentOutcome run_agent_once(const AgentSettings& settings, const std::string& state_dir,
                            const std::function<void(const AgentProgress&)>& show);

}  // namespace longshore::agent
