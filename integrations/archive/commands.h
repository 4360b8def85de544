// The commands of the archive. argv[0] is the command's own name; the return value is the exit
// status: 0 done, 1 found something wrong, 2 unusable settings.
#pragma once

namespace longshore::archive {

int run_archive(int argc, char** argv);
int run_fetch(int argc, char** argv);

}  // namespace longshore::archive
