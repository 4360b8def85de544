// The commands of the archive. `arguments` are what follows the command's name. They return the
// exit status: 0 done, 1 something is wrong, 2 unusable settings.
#pragma once

#include <string>
#include <vector>

namespace longshore::archive {

int run_archive(const std::vector<std::string>& arguments);
int run_fetch(const std::vector<std::string>& arguments);

}  // namespace longshore::archive
