// The commands that live in this folder; the others are integrations/kafka/commands.h.
#pragma once

#include <string>
#include <vector>

namespace longshore::agent {

/// `longshore agent`: gives the process's exit status.
int run_agent(const std::vector<std::string>& arguments);

/// `longshore checkpoint ls|adopt|forget`.
int run_checkpoint(const std::vector<std::string>& arguments);

}  // namespace longshore::agent
