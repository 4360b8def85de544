// The commands that read Kafka or stand in for it. argv[0] is the name of the command; the return
// value is the exit status: 0 done, 1 found a problem, 2 unusable settings.
#pragma once

namespace longshore::kafka {

int run_tap(int argc, char** argv);
int run_broker(int argc, char** argv);

}  // namespace longshore::kafka
