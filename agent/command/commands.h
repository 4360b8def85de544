// The commands of this folder. `arguments` are the words after the command's name. Each returns the
// exit status: 0 done, 2 unusable settings or state.
#pragma once

#include <string>
#include <vector>

namespace longshore::agent {

/// `longshore agent`
int run_agent(const std::vector<std::string>& arguments);

/// `longshore checkpoint ls|adopt|forget`
int run_checkpoint(const std::vector<std::string>& arguments);

}  // namespace longshore::agent
