// Goal: the agent and the checkpoint commands take the same flags for help, files and secrets as
// all others, and refuse wrong ones in the same words. Method: the table of fakes/command_table.h.

#include "agent/command/commands.h"
#include "tests/fakes/command_table.h"

namespace longshore::agent {
namespace {

TEST(AgentCommands, take_the_common_flags) {
  for (const fakes::CommandRow& row : std::vector<fakes::CommandRow>{
           {"agent", run_agent, {"--brokers=b:1"}, true},
           {"checkpoint adopt", run_checkpoint, {"adopt", "--lane=0", "--brokers=b:1"}, true},
           {"checkpoint ls", run_checkpoint, {"ls"}, false},
           {"checkpoint forget", run_checkpoint, {"forget"}, false},
       }) {
    fakes::expect_common_flags(row);
  }
}

}  // namespace
}  // namespace longshore::agent
