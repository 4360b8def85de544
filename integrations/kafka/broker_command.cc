#include <fmt/format.h>

#include <cstdio>
#include <fstream>
#include <iostream>

#include "integrations/kafka/command_line.h"
#include "integrations/kafka/commands.h"
#include "integrations/kafka/embedded_broker.h"
#include "integrations/kafka/stop_signals.h"
#include "shipper/kafka/kafka.h"

namespace longshore::kafka {

namespace {

namespace po = boost::program_options;

constexpr char kIntroduction[] =
    "longshore broker [--topic NAME:PARTITIONS]...\n\n"
    "A small Kafka broker on 127.0.0.1, for trying longshore out. It prints its address as\n"
    "\"bootstrap: 127.0.0.1:PORT\" and runs until SIGTERM or SIGINT. Memory only: it keeps the "
    "last\n"
    "5 MB or 100,000 batches of a partition, forgets the offsets of transactions and shows "
    "aborted\n"
    "records. The port is the system's choice; --port-file hands it to scripts.\n\nFlags";

Flags broker_flags() {
  Flags flags(kIntroduction);
  auto add = flags.add_options();
  add("help,h", "show this and exit");
  add("topic", po::value<std::vector<std::string>>()->value_name("NAME:PARTITIONS"),
      "a topic to make; may be repeated (default: logs:4). longshore-checkpoint and "
      "longshore-ledger, of one partition, are always made");
  add("port-file", po::value<std::string>()->value_name("PATH"),
      "write 127.0.0.1:PORT into this file once clients can connect");
  return flags;
}

Result<std::vector<TopicShape>> topic_shapes(const FlagValues& values) {
  std::vector<std::string> given = all_of(values, "topic");
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
      return Error{ErrorCode::kInvalid, fmt::format("--topic names {} twice.", shape->name)};
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
  return Error{ErrorCode::kInvalid,
               fmt::format("--port-file {}: it cannot be written; check the directory.", path)};
}

}  // namespace

int run_broker(int argc, char** argv) {
  const Flags flags = broker_flags();
  const Result<FlagValues> values = parse_flags(argc, argv, flags);
  if (!values) return complain("broker", values.error());
  if (values.value().count("help")) {
    std::cout << flags << std::flush;
    return 0;
  }
  const auto shapes = topic_shapes(values.value());
  if (!shapes) return complain("broker", shapes.error());
  const StopSignals signals;
  const auto broker = EmbeddedBroker::start(shapes.value());
  if (!broker) return complain("broker", broker.error());
  const std::string bootstrap = broker.value()->bootstrap();
  if (values.value().count("port-file")) {
    Status written = write_port_file(values.value()["port-file"].as<std::string>(), bootstrap);
    if (!written) return complain("broker", written.error());
  }
  fmt::print("bootstrap: {}\n", bootstrap);
  std::fflush(stdout);
  fmt::print(stderr,
             "longshore broker: for trying out only: memory only, it keeps the last 5 MB or "
             "100,000 batches of a partition, forgets offsets of transactions and shows aborted "
             "records.\n");
  while (!signals.raised(-1)) {
  }
  return 0;
}

}  // namespace longshore::kafka
