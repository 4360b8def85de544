// `longshore index`. `arguments` are what follows the command's name. It returns the exit status: 0
// stopped by SIGTERM, 1 it cannot continue, 2 unusable settings.
#pragma once

#include <string>
#include <vector>

namespace longshore::search {

int run_index(const std::vector<std::string>& arguments);

}  // namespace longshore::search
