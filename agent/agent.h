// One run of the agent: wires state directory, lanes and watch loop together, and takes them apart.
#pragma once

#include <string>

#include "config/settings.h"

namespace longshore::agent {

/// Why run_once() returned.
struct AgentOutcome {
  int exit_status = 0;
  bool restart = false;  ///< The checkpoint was written anew after a failed fsync: run again.
  bool wait = false;     ///< The state directory is full: run again a little later.
  std::string message;   ///< For an exit status other than 0: one sentence.
};

/// Runs until a signal, until `--once` is done, or until a lane cannot go on.
/// Thread: the caller's becomes the watch loop.
AgentOutcome run_agent_once(const AgentSettings& settings, const std::string& state_dir);

}  // namespace longshore::agent
