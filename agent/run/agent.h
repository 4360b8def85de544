// One run of the agent: wires state directory, lanes and watch loop together, and takes them apart.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "config/settings.h"

namespace longshore::agent {

/// Why run_agent_once() returned.
struct AgentOutcome {
  int exit_status = 0;
  bool restart = false;  ///< The checkpoint was written anew after a failed fsync: run again.
  bool wait = false;     ///< The state directory is full: run again a little later.
  std::string message;   ///< For an exit status other than 0: one sentence.
};

/// How far the lanes are, all of them together.
struct AgentProgress {
  uint64_t sources = 0;
  uint64_t bytes_read = 0;
  uint64_t bytes_total = 0;  ///< Of the files that were opened, as of their opening.
};

/// Runs until a signal, until `--once` is done, or until a lane cannot go on. Calls `show` about
/// every half second.
/// Thread: the caller's becomes the watch loop, and calls `show`.
AgentOutcome run_agent_once(const AgentSettings& settings, const std::string& state_dir,
                            const std::function<void(const AgentProgress&)>& show);

}  // namespace longshore::agent
