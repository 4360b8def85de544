// The commands that read Kafka or stand in for it. `arguments` are what follows the command's name.
// They return the exit status: 0 done, 1 something is wrong, 2 unusable settings.
#pragma once

#include <string>
#include <vector>

namespace longshore::kafka {

int run_tap(const std::vector<std::string>& arguments);
int run_broker(const std::vector<std::string>& arguments);

}  // namespace longshore::kafka
