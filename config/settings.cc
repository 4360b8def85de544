#include "config/settings.h"

#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <string_view>

#include "config/kafka_flags.h"

namespace longshore {
namespace {

const CommandHelp kHelp = {
    "agent",
    "Collects the logs that containers and the operator declare, and ships them to Kafka, each "
    "line\n"
    "once and in order. Exit status: 0 stopped, or done with --once; 2 unusable settings or state.",
    "  longshore agent --brokers kafka:9092 --state-dir /var/lib/longshore\n"
    "  longshore agent --brokers kafka:9092 --docker off --source 'app=/var/log/app/*.log' "
    "--once\n",
    true};

constexpr int64_t kHourMs = 3'600'000;
constexpr char kTopicRule[] = "a Kafka topic has 1 to 249 of a-z A-Z 0-9 . _ -";

// What needs more than its own syntax to be checked.
struct Texts {
  std::string docker = "unix:///var/run/docker.sock";
  std::vector<std::string> sources, prefixes;
  KafkaFlags kafka;
};

void add_shipping(AgentSettings& to, Texts& texts, CommandLine& line) {
  line.section("Where logs go");
  add_kafka_flags(line, texts.kafka);
  line.text("topic", &to.topic, "NAME", "Ship logs that declare no topic to this one.");
  line.list("allow-topic", &to.allow_topic, "GLOB",
            "Let containers choose topics that match, besides --topic; repeatable.");
  line.text("ledger-topic", &to.ledger_topic, "NAME|off",
            "Ship the ledger here: which logs began, ended or lost bytes.");
  line.choice<Delivery>(
      "delivery", &to.delivery,
      {{"exactly-once", Delivery::kExactlyOnce}, {"at-least-once", Delivery::kAtLeastOnce}},
      "Use Kafka transactions, or acknowledged batches that a crash may repeat.");
  line.number("linger-ms", &to.linger_ms, {0, kHourMs}, "MS",
              "Gather lines for this long before a transaction is committed.");
  line.bytes("batch-bytes", &to.batch_bytes, {1, int64_t{16} << 30},
             "Commit a transaction that has grown to this size.");
  line.number("lanes", &to.lanes, {1, 64}, "N",
              "Ship with this many threads, each with its own producer.");
  line.toggle("create-topics", &to.create_topics, "Create missing topics.");
  line.number("topic-partitions", &to.topic_partitions, {1, 10'000}, "N",
              "Create topics with this many partitions.");
  line.number("topic-replicas", &to.topic_replicas, {1, 100}, "N",
              "Create topics with this many replicas.");
  line.number("partitions-per-host", &to.partitions_per_host, {1, 10'000}, "N",
              "Use at most this many partitions of a topic.");
}

void add_collecting(AgentSettings& to, Texts& texts, CommandLine& line) {
  line.section("What is collected");
  line.text("docker", &texts.docker, "unix://PATH|off", "Follow this Docker Engine.");
  line.list("source", &texts.sources, "NAME[_OPTION]=VALUE",
            "Collect a log of the host itself, declared as a container would; repeatable.");
  line.list("declaration-prefix", &texts.prefixes, "PREFIX",
            "Take variables with this prefix for declarations too, besides LONGSHORE_LOGS_ and "
            "aliyun_logs_; repeatable.");
  line.text("host-root", &to.host_root, "DIR",
            "Find the host's root here, if the agent runs in a container.");
  line.text("host-name", &to.host_name, "NAME", "Write this into host.name of the records.");
  line.list("allow-fs", &to.allow_fs, "TYPE",
            "Read logs from this type of file system too, besides the usual local ones; "
            "repeatable.");
  line.choice<StartAt>("first-start", &to.first_start,
                       {{"beginning", StartAt::kBeginning}, {"end", StartAt::kEnd}},
                       "Where to begin in files that existed before the agent's first start.");
  line.number("rotate-wait-ms", &to.rotate_wait_ms, {0, kHourMs}, "MS",
              "Read the successor of a rotated file once the file has been quiet for this long.");
  line.number(
      "sweep-ms", &to.sweep_ms, {100, kHourMs}, "MS",
      "Look at every file this often, with or without events; at files that have been quiet "
      "for ten seconds every sixth time.");
  line.toggle("once", &to.once, "Ship everything that is there, then exit.");
}

void add_state(AgentSettings& to, CommandLine& line) {
  line.section("State, and the agent itself");
  line.text("state-dir", &to.state_dir, "DIR",
            "Keep checkpoints here, on a local disk of the host.");
  line.toggle("ephemeral-state", &to.ephemeral_state,
              "Accept a state directory that may vanish (tmpfs, overlay, network).");
  line.choice<InDoubt>(
      "in-doubt", &to.in_doubt,
      {{"resend", InDoubt::kResend}, {"halt", InDoubt::kHalt}, {"skip", InDoubt::kSkip}},
      "What to do with the last transaction if Kafka has forgotten whether it "
      "was delivered.");
  line.choice<NewCluster>("new-cluster", &to.new_cluster,
                          {{"refuse", NewCluster::kRefuse},
                           {"continue", NewCluster::kContinue},
                           {"restart", NewCluster::kRestart}},
                          "What to do if the brokers are not the Kafka cluster that the state "
                          "directory knows.");
  line.bytes("deleted-bytes", &to.deleted_bytes, {0, int64_t{1} << 60},
             "Let deleted files take this much of the disk until they are shipped.");
  line.number("retention-hours", &to.retention_hours, {0, 24 * 3650}, "HOURS",
              "Remember the position of a deleted file for this long.");
  line.choice<std::string>(
      "log-level", &to.log_level,
      {{"debug", "debug"}, {"info", "info"}, {"warn", "warn"}, {"error", "error"}},
      "Log messages of this level and above to standard error.");
}

Status take_lists(const Texts& texts, const CommandLine& line, AgentSettings& to) {
  Declarations declared = parse_sources(texts.sources);
  if (!declared.wrong.empty()) {
    const WrongDeclaration& first = declared.wrong.front();
    return line.unusable("source", first.name,
                         first.message.substr(0, first.message.find_last_not_of('.') + 1));
  }
  to.sources = std::move(declared.usable);
  for (const std::string& prefix : texts.prefixes) {
    if (prefix.empty())
      return line.unusable("declaration-prefix", "", "every variable would begin with it");
  }
  to.prefixes = {"LONGSHORE_LOGS_"};
  to.prefixes.insert(to.prefixes.end(), texts.prefixes.begin(), texts.prefixes.end());
  auto access = kafka_access(line, texts.kafka);
  if (!access) return access.error();
  to.brokers = std::move(access->brokers);
  to.kafka = std::move(access->settings);
  return ok();
}

std::string own_host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "unknown";
  return name.data();
}

Status take_docker(const std::string& docker, const CommandLine& line, AgentSettings& to) {
  constexpr std::string_view kUnix = "unix://";
  constexpr size_t kSocketBytesMax = sizeof(sockaddr_un::sun_path) - 1;
  if (docker == "off") return ok();
  if (docker.starts_with("tcp:") || docker.starts_with("http")) {
    return line.unusable("docker", docker,
                         "logs are read from this host's own disk, so give the Unix socket of its "
                         "Docker as unix:///path/of/docker.sock, or off");
  }
  if (!docker.starts_with(std::string(kUnix) + "/"))
    return line.unusable("docker", docker, "give unix:///path/of/docker.sock, or off");
  to.docker_socket = docker.substr(kUnix.size());
  if (to.docker_socket.size() <= kSocketBytesMax) return ok();
  return line.unusable(
      "docker", docker,
      "the path of a Unix socket has at most " + std::to_string(kSocketBytesMax) + " bytes");
}

Status check_texts(const Texts& texts, const CommandLine& line, AgentSettings& to) {
  if (Status docker = take_docker(texts.docker, line, to); !docker) return docker;
  if (to.ledger_topic == "off") to.ledger_topic.clear();
  if (!to.ledger_topic.empty() && !is_topic_name(to.ledger_topic))
    return line.unusable("ledger-topic", to.ledger_topic, kTopicRule);
  if (!is_topic_name(to.topic)) return line.unusable("topic", to.topic, kTopicRule);
  if (to.state_dir.empty()) return line.unusable("state-dir", "", "give a directory");
  if (to.host_name.empty())
    return line.unusable("host-name", "", "give the name that records shall carry");
  if (!to.host_root.starts_with('/'))
    return line.unusable("host-root", to.host_root, "give an absolute path");
  if (to.docker_socket.empty() && to.sources.empty())
    return invalid("Nothing to collect: with --docker off give at least one --source name=/path.");
  return ok();
}

}  // namespace

Result<std::optional<AgentSettings>> parse_agent_settings(const std::vector<std::string>& arguments,
                                                          const Environment& environment) {
  AgentSettings settings;
  settings.host_name = own_host_name();
  Texts texts;
  CommandLine line(kHelp);
  add_shipping(settings, texts, line);
  add_collecting(settings, texts, line);
  add_state(settings, line);
  const Result<bool> parsed = line.parse(arguments, environment);
  if (!parsed) return parsed.error();
  if (!*parsed) return std::optional<AgentSettings>();
  if (Status lists = take_lists(texts, line, settings); !lists) return lists.error();
  if (Status checked = check_texts(texts, line, settings); !checked) return checked.error();
  return std::optional<AgentSettings>(std::move(settings));
}

}  // namespace longshore
