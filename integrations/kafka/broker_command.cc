#include <fmt/format.h>

#include <cstdio>
#include <fstream>

#include "config/command_line.h"
#include "integrations/kafka/commands.h"
#include "integrations/kafka/embedded_broker.h"
#include "integrations/kafka/stop_signals.h"
#include "shipper/kafka/kafka.h"

namespace longshore::kafka {

namespace {

const CommandHelp kHelp = {
    "broker",
    "Runs a small Kafka broker on 127.0.0.1, for trying longshore out. It prints its address as\n"
    "\"bootstrap: 127.0.0.1:PORT\" and runs until SIGTERM or SIGINT. Everything is in memory: it "
    "keeps\n"
    "the last 5 MB or 100,000 batches of a partition, forgets the offsets of transactions and "
    "shows\n"
    "aborted records. The system chooses the port; --port-file hands it to scripts.",
    "  longshore broker --topic logs:4\n"};

Result<std::vector<TopicShape>> topic_shapes(std::vector<std::string> given) {
  if (given.empty()) given.emplace_back("logs:4");
  std::vector<TopicShape> shapes;
  const auto has = [&shapes](const std::string& name) {
    for (const TopicShape& shape : shapes) {
      if (shape.name == name) return true;
    }
    return false;
  };
  for (const std::string& text : given) {
    Result<TopicShape> shape = parse_topic_shape(text);
    if (!shape) return shape.error();
    if (has(shape->name))
      return invalid(fmt::format("--topic names {} twice; keep one.", shape->name));
    shapes.push_back(*std::move(shape));
  }
  for (const char* name : {shipper::kCheckpointTopic, "longshore-ledger"}) {
    if (!has(name)) shapes.push_back({name, 1});
  }
  return shapes;
}

Status write_port_file(const std::string& path, const std::string& bootstrap) {
  // Renamed when complete: a process that waits for the file must not read half of it.
  const std::string beside = path + ".new";
  std::ofstream out(beside);
  out << bootstrap << '\n';
  out.close();
  if (out && std::rename(beside.c_str(), path.c_str()) == 0) return ok();
  return invalid(fmt::format("--port-file {} cannot be written; check the directory.", path));
}

}  // namespace

int run_broker(const std::vector<std::string>& arguments) {
  std::vector<std::string> topics;
  std::string port_file;
  CommandLine line(kHelp);
  line.list("topic", &topics, "NAME:PARTITIONS",
            "Create this topic; repeatable. The default is logs:4; longshore-checkpoint and "
            "longshore-ledger, with one partition each, always exist.");
  line.text("port-file", &port_file, "FILE",
            "Write 127.0.0.1:PORT into this file once clients can connect.");
  const Result<bool> parsed = line.parse(arguments, process_environment());
  if (!parsed) return complain("broker", parsed.error());
  if (!*parsed) return 0;
  const auto shapes = topic_shapes(topics);
  if (!shapes) return complain("broker", shapes.error());
  const StopSignals signals;
  const auto broker = EmbeddedBroker::start(shapes.value());
  if (!broker) return complain("broker", broker.error());
  const std::string bootstrap = broker.value()->bootstrap();
  if (!port_file.empty()) {
    if (Status written = write_port_file(port_file, bootstrap); !written)
      return complain("broker", written.error());
  }
  fmt::print("bootstrap: {}\n", bootstrap);
  std::fflush(stdout);
  fmt::print(stderr,
             "longshore broker: for trying longshore out only. It keeps the last 5 MB or 100,000 "
             "batches of a partition in memory, forgets the offsets of transactions and shows "
             "aborted records.\n");
  while (!signals.raised(-1)) {
  }
  return 0;
}

}  // namespace longshore::kafka
