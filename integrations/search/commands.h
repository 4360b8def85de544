// `longshore index` and `longshore replay`. `arguments` are what follows the command's name. They
// return the exit status: 0 stopped by SIGTERM (index) or all stored (replay), 1 it cannot continue
// or letters are left, 2 unusable settings.
#pragma once

#include <string>
#include <vector>

namespace longshore::search {

int run_index(const std::vector<std::string>& arguments);
int run_replay(const std::vector<std::string>& arguments);

}  // namespace longshore::search
