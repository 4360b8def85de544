// `longshore index`. argv[0] is the command's own name; the return value is the exit status: 0
// ended by SIGTERM, 1 it cannot go on, 2 unusable settings.
#pragma once

namespace longshore::search {

int run_index(int argc, char** argv);

}  // namespace longshore::search
