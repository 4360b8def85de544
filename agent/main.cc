// The process: finds the command by its name, starts the log and hands it the arguments after the
// name. Exit status: 0 done, 1 something is wrong, 2 unusable settings or state.

#include <librdkafka/rdkafka.h>

#include <array>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include "agent/command/commands.h"
#include "config/log.h"
#include "config/nearest.h"
#include "config/printable.h"
#include "config/reload_signals.h"
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
  int (*run)(const std::vector<std::string>& arguments);
};

constexpr std::array kCommands = std::to_array<Command>({
    {"agent", "collect logs and ship them to Kafka", agent::run_agent},
    {"audit", "prove from topics or an archive that their sources are complete", audit::run_audit},
    {"tap", "print a topic as readable lines", kafka::run_tap},
    {"index", "copy topics into OpenSearch or Elasticsearch", search::run_index},
    {"replay", "store what 'index' put aside as dead letters, after the cause was mended",
     search::run_replay},
    {"archive", "copy topics into HDFS or a file system, each record once", archive::run_archive},
    {"fetch", "print lines from the archive", archive::run_fetch},
    {"checkpoint", "list, adopt or forget what the state directory holds", agent::run_checkpoint},
    {"broker", "run an embedded Kafka in memory, for trying longshore out", kafka::run_broker},
});

int print_help(std::FILE* to, int status) {
  std::fputs(
      "longshore ships the logs of containers to Kafka, each line once and in order.\n\n"
      "Usage: longshore COMMAND [flags]\n\n",
      to);
  for (const Command& command : kCommands) {
    std::fprintf(to, "  %-12s%s\n", command.name, command.summary);
  }
  std::fputs("\n'longshore COMMAND --help' lists the flags of one; --version prints versions.\n",
             to);
  return status;
}

int refuse(const std::string& word) {
  std::vector<std::string> names;
  for (const Command& command : kCommands) names.push_back(command.name);
  const std::string near = nearest(word, names);
  std::fprintf(stderr, "longshore: unknown command '%s'; %s\n", printable(word).c_str(),
               near.empty() ? "'longshore --help' lists all."
                            : ("did you mean 'longshore " + near + "'?").c_str());
  return kUnusable;
}

int run(int argc, char** argv) {
  if (argc < 2) return print_help(stderr, kUnusable);
  const std::string word = argv[1];
  for (const Command& command : kCommands) {
    if (word != command.name) continue;
    start_log();
    const ReloadSignals signals(ReloadSignals::on_terminal());
    return command.run({argv + 2, argv + argc});
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
    // Operating errors are values; only failures of the machine, such as no memory, arrive here.
    std::fprintf(stderr, "longshore: cannot continue: %s.\n",
                 longshore::printable(error.what()).c_str());
    return longshore::kUnusable;
  }
}
