// The process: finds the command that was named and hands it what stands behind. Exit status: 0
// done, 1 found something wrong, 2 unusable settings or state.

#include <librdkafka/rdkafka.h>

#include <array>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include "agent/command/commands.h"
#include "config/nearest.h"
#include "integrations/archive/commands.h"
#include "integrations/audit/commands.h"
#include "integrations/kafka/commands.h"
#include "integrations/search/commands.h"

namespace longshore {
namespace {

constexpr int kUnusable = 2;

struct Command {
  const char* name;
  const char* summary;
  int (*run)(int argc, char** argv);  // argv[0] is the command's own name.
};

template <int (*kRun)(const std::vector<std::string>&)>
int with_strings(int argc, char** argv) {
  return kRun(std::vector<std::string>(argv + 1, argv + argc));
}

constexpr std::array kCommands = std::to_array<Command>({
    {"agent", "collect logs and ship them to Kafka", with_strings<agent::run_agent>},
    {"audit", "prove from a topic or an archive that its sources are complete", audit::run_audit},
    {"tap", "follow a topic readably", kafka::run_tap},
    {"index", "bring topics into OpenSearch or Elasticsearch", search::run_index},
    {"archive", "carry topics into HDFS or a file system, each record once", archive::run_archive},
    {"fetch", "read the archive back", archive::run_fetch},
    {"checkpoint", "show what the state directory holds, and get out of a refusal",
     with_strings<agent::run_checkpoint>},
    {"broker", "an embedded Kafka in memory, for trying things out", kafka::run_broker},
});

int print_help(std::FILE* to, int status) {
  std::fputs(
      "longshore brings the logs of containers to Kafka, each line once and in order.\n\n"
      "Usage: longshore COMMAND [options]\n\n",
      to);
  for (const Command& command : kCommands) {
    std::fprintf(to, "  %-12s%s\n", command.name, command.summary);
  }
  std::fputs("\n'longshore COMMAND --help' lists the options of one; --version prints versions.\n",
             to);
  return status;
}

int refuse(const std::string& word) {
  std::vector<std::string> names;
  for (const Command& command : kCommands) names.push_back(command.name);
  const std::string near = nearest(word, names);
  std::fprintf(stderr, "longshore: there is no command '%s'; %s\n", word.c_str(),
               near.empty() ? "'longshore --help' lists all."
                            : ("did you mean 'longshore " + near + "'?").c_str());
  return kUnusable;
}

int run(int argc, char** argv) {
  if (argc < 2) return print_help(stderr, kUnusable);
  const std::string word = argv[1];
  for (const Command& command : kCommands) {
    if (word == command.name) return command.run(argc - 1, argv + 1);
  }
  if (word == "--help" || word == "-h" || word == "help") return print_help(stdout, 0);
  if (word == "--version") {
    std::printf("longshore %s (librdkafka %s)\n", LONGSHORE_VERSION, rd_kafka_version_str());
    return 0;
  }
  return refuse(word);
}

}  // namespace
}  // namespace longshore

int main(int argc, char** argv) {
  try {
    return longshore::run(argc, argv);
  } catch (const std::exception& error) {
    // Operating errors are values; what arrives here is the machine's, such as no memory.
    std::fprintf(stderr, "longshore: cannot go on: %s.\n", error.what());
    return longshore::kUnusable;
  }
}
