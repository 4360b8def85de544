#include "config/settings.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/program_options/value_semantic.hpp>
#include <charconv>

namespace longshore {
namespace {

namespace po = boost::program_options;
using Strings = std::vector<std::string>;
constexpr unsigned kHelpColumns = 100;

const CommandHelp kHelp = {
    "agent", "Collects the logs that containers and the operator declare, and ships them to Kafka.",
    "  longshore agent --brokers kafka:9092 --state-dir /var/lib/longshore\n"
    "  longshore agent --brokers kafka:9092 --docker off --source 'app=/var/log/app/*.log' "
    "--once\n"};

// Texts and lists before they are checked.
struct Texts {
  std::string docker = "unix:///var/run/docker.sock";
  std::string batch_bytes = "128M";
  std::string deleted_bytes = "4G";
  Strings sources, prefixes, kafka;
};

auto list(Strings* into, const char* name) { return po::value<Strings>(into)->value_name(name); }

auto text(std::string* into, const char* name) {
  return po::value<std::string>(into)->default_value(*into)->value_name(name);
}

auto word(const char* name, const char* usual) {
  return po::value<std::string>()->default_value(usual)->value_name(name);
}

auto number(int64_t usual) { return po::value<int64_t>()->default_value(usual)->value_name("N"); }

void describe_collecting(AgentSettings& to, Texts& texts, po::options_description& all) {
  const auto add = [&all](const char* name, const po::value_semantic* value, const char* help) {
    all.add_options()(name, value, help);
  };
  add("docker", text(&texts.docker, "unix://PATH|off"), "the Docker Engine to follow");
  add("source", list(&texts.sources, "NAME[_OPTION]=VALUE"),
      "a log of the host itself, declared as containers do; repeatable");
  add("declaration-prefix", list(&texts.prefixes, "PREFIX"),
      "of declaring variables, beside LONGSHORE_LOGS_ and aliyun_logs_; repeatable");
  add("host-root", text(&to.host_root, "DIR"),
      "where the host's root is mounted, when the agent runs in a container");
  add("host-name", text(&to.host_name, "NAME"), "host.name of the records");
  add("allow-fs", list(&to.allow_fs, "TYPE"),
      "a file system type to read logs from, beside the known local ones; repeatable");
  add("first-start", word("beginning|end", "beginning"),
      "where files begin that were there before the agent's first start");
  add("rotate-wait-ms", number(to.rotate_wait_ms),
      "how long a rotated file must be quiet before its successor is read");
  add("sweep-ms", number(to.sweep_ms),
      "how often files are looked at, events or not; those quiet for ten seconds each sixth time");
  add("once", po::bool_switch(&to.once), "ship all that is there, then exit 0");
}

void describe_shipping(AgentSettings& to, Texts& texts, po::options_description& all) {
  const auto add = [&all](const char* name, const po::value_semantic* value, const char* help) {
    all.add_options()(name, value, help);
  };
  add("brokers", po::value<std::string>(&to.brokers)->value_name("HOST:PORT,.."),
      "Kafka to ship to (required)");
  add("topic", text(&to.topic, "NAME"), "where sources go that declare no topic");
  add("allow-topic", list(&to.allow_topic, "GLOB"),
      "topics that containers may choose, beside --topic; repeatable");
  add("ledger-topic", text(&to.ledger_topic, "NAME|off"),
      "where the ledger goes: what began, ended, was lost");
  add("delivery", word("exactly-once|at-least-once", "exactly-once"),
      "Kafka transactions, or acknowledged batches that a crash may repeat");
  add("kafka", list(&texts.kafka, "KEY=VALUE"),
      "a setting of librdkafka: TLS, SASL, compression.codec, ...; repeatable");
  add("linger-ms", number(to.linger_ms), "how long a transaction gathers, in ms");
  add("batch-bytes", text(&texts.batch_bytes, "BYTES"), "how large a transaction grows");
  add("lanes", number(to.lanes), "threads that ship, each with its own producer");
  add("create-topics", po::bool_switch(&to.create_topics), "create missing topics");
  add("topic-partitions", number(to.topic_partitions), "of topics that it creates");
  add("topic-replicas", number(to.topic_replicas), "of topics that it creates");
  add("partitions-per-host", number(to.partitions_per_host),
      "how many partitions of a topic this host uses");
}

void describe_state(AgentSettings& to, Texts& texts, po::options_description& all) {
  const auto add = [&all](const char* name, const po::value_semantic* value, const char* help) {
    all.add_options()(name, value, help);
  };
  add("state-dir", text(&to.state_dir, "DIR"), "checkpoints; on a local disk of the host");
  add("ephemeral-state", po::bool_switch(&to.ephemeral_state),
      "accept a state directory that may vanish (tmpfs, overlay, network)");
  add("in-doubt", word("resend|halt|skip", "resend"),
      "when Kafka forgot whether the last transaction was delivered");
  add("new-cluster",
      po::value<std::string>()->default_value("", "refuse")->value_name("continue|restart"),
      "accept another Kafka cluster than the state directory knows");
  add("deleted-bytes", text(&texts.deleted_bytes, "BYTES"),
      "how much of the disk deleted files may take until they are shipped");
  add("retention-hours", number(to.retention_hours),
      "how long a deleted file's position is remembered");
  add("log-level", word("debug|info|warn|error", "info"),
      "of the agent's own log, on standard error");
}

Error wrong(const std::string& option, const std::string& value, const std::string& remedy) {
  return {ErrorCode::kInvalid, "--" + option + "=" + value + " is not usable: " + remedy + "."};
}

template <typename Choice, size_t kCount>
Status choose(const po::variables_map& values, const char* option,
              const std::array<std::pair<const char*, Choice>, kCount>& choices, Choice& to) {
  const auto given = values[option].as<std::string>();
  std::string all;
  for (const auto& [word, choice] : choices) {
    if (given == word) {
      to = choice;
      return ok();
    }
    if (*word != '\0') all += (all.empty() ? "" : ", ") + std::string(word);
  }
  return wrong(option, given, "use one of " + all);
}

template <typename Number>
Status take_number(const po::variables_map& values, const char* option, int64_t least, int64_t most,
                   Number& to) {
  const auto given = values[option].as<int64_t>();
  if (given < least || given > most) {
    return wrong(option, std::to_string(given),
                 "give " + std::to_string(least) + " to " + std::to_string(most));
  }
  to = static_cast<Number>(given);
  return ok();
}

Status take_numbers(const po::variables_map& values, AgentSettings& to) {
  for (const Status& status : {
           take_number(values, "linger-ms", 0, 3'600'000, to.linger_ms),
           take_number(values, "lanes", 1, 64, to.lanes),
           take_number(values, "topic-partitions", 1, 10'000, to.topic_partitions),
           take_number(values, "topic-replicas", 1, 100, to.topic_replicas),
           take_number(values, "partitions-per-host", 1, 10'000, to.partitions_per_host),
           take_number(values, "rotate-wait-ms", 0, 3'600'000, to.rotate_wait_ms),
           take_number(values, "retention-hours", 0, 24 * 3650, to.retention_hours),
           take_number(values, "sweep-ms", 100, 3'600'000, to.sweep_ms),
       }) {
    if (!status) return status;
  }
  return ok();
}

Status take_choices(const po::variables_map& values, AgentSettings& to) {
  for (const Status& status : {
           choose<Delivery, 2>(values, "delivery",
                               {{{"exactly-once", Delivery::kExactlyOnce},
                                 {"at-least-once", Delivery::kAtLeastOnce}}},
                               to.delivery),
           choose<InDoubt, 3>(
               values, "in-doubt",
               {{{"resend", InDoubt::kResend}, {"halt", InDoubt::kHalt}, {"skip", InDoubt::kSkip}}},
               to.in_doubt),
           choose<NewCluster, 3>(values, "new-cluster",
                                 {{{"", NewCluster::kRefuse},
                                   {"continue", NewCluster::kContinue},
                                   {"restart", NewCluster::kRestart}}},
                                 to.new_cluster),
           choose<StartAt, 2>(values, "first-start",
                              {{{"beginning", StartAt::kBeginning}, {"end", StartAt::kEnd}}},
                              to.first_start),
       }) {
    if (!status) return status;
  }
  to.log_level = values["log-level"].as<std::string>();
  const Strings levels = {"debug", "info", "warn", "error"};
  if (std::find(levels.begin(), levels.end(), to.log_level) == levels.end()) {
    return wrong("log-level", to.log_level, "use one of debug, info, warn, error");
  }
  return ok();
}

Status take_lists(const Texts& texts, AgentSettings& to) {
  Declarations declared = parse_sources(texts.sources);
  if (!declared.wrong.empty()) {
    const WrongDeclaration& first = declared.wrong.front();
    return wrong("source", first.name,
                 first.message.substr(0, first.message.find_last_not_of('.') + 1));
  }
  to.sources = std::move(declared.usable);
  for (const std::string& prefix : texts.prefixes) {
    if (prefix.empty())
      return wrong("declaration-prefix", "", "every variable would begin with it");
  }
  to.prefixes = {"LONGSHORE_LOGS_"};
  to.prefixes.insert(to.prefixes.end(), texts.prefixes.begin(), texts.prefixes.end());
  for (const std::string& setting : texts.kafka) {
    const size_t equals = setting.find('=');
    if (equals == 0 || equals == std::string::npos) {
      return wrong("kafka", setting, "write --kafka key=value");
    }
    to.kafka.emplace_back(setting.substr(0, equals), setting.substr(equals + 1));
  }
  return ok();
}

std::string own_host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "unknown";
  return name.data();
}

Status check_texts(const Texts& texts, AgentSettings& to) {
  if (to.brokers.empty()) {
    return Error{ErrorCode::kInvalid,
                 "No Kafka to ship to: give --brokers host:port (or try 'longshore broker')."};
  }
  constexpr std::string_view kUnix = "unix://";
  if (texts.docker.starts_with(std::string(kUnix) + "/")) {
    to.docker_socket = texts.docker.substr(kUnix.size());
  } else if (texts.docker != "off") {
    return wrong("docker", texts.docker, "give unix:///path/of/docker.sock, or off");
  }
  const auto bytes = parse_bytes(texts.batch_bytes);
  if (!bytes || *bytes < 1 || *bytes > (uint64_t{16} << 30)) {
    return wrong("batch-bytes", texts.batch_bytes, "give a size of 1 to 16G, such as 128M");
  }
  to.batch_bytes = *bytes;
  const auto deleted = parse_bytes(texts.deleted_bytes);
  if (!deleted) {
    return wrong("deleted-bytes", texts.deleted_bytes, "give a size, such as 4G");
  }
  to.deleted_bytes = *deleted;
  if (to.ledger_topic == "off") to.ledger_topic.clear();
  if (!to.ledger_topic.empty() && !is_topic_name(to.ledger_topic)) {
    return wrong("ledger-topic", to.ledger_topic,
                 "a Kafka topic has 1 to 249 of a-z A-Z 0-9 . _ -");
  }
  if (!is_topic_name(to.topic)) {
    return wrong("topic", to.topic, "a Kafka topic has 1 to 249 of a-z A-Z 0-9 . _ -");
  }
  if (to.state_dir.empty()) return wrong("state-dir", "", "give a directory");
  if (to.host_name.empty()) return wrong("host-name", "", "give the name that records shall carry");
  if (!to.host_root.starts_with('/')) {
    return wrong("host-root", to.host_root, "give an absolute path");
  }
  if (to.docker_socket.empty() && to.sources.empty()) {
    return Error{ErrorCode::kInvalid,
                 "Nothing to collect: with --docker off give at least one --source name=/path."};
  }
  return ok();
}

}  // namespace

std::optional<uint64_t> parse_bytes(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return std::nullopt;
  std::string_view unit(end, static_cast<size_t>(text.data() + text.size() - end));
  if (unit.ends_with('B')) unit.remove_suffix(1);
  if (unit.size() == 2 && unit[1] == 'i') unit.remove_suffix(1);
  if (unit.empty()) return value;
  const size_t power = std::string_view("kMG").find(unit[0] == 'K' ? 'k' : unit[0]);
  if (unit.size() != 1 || power == std::string_view::npos) return std::nullopt;
  const unsigned shift = 10 * (static_cast<unsigned>(power) + 1);
  if (value > (UINT64_MAX >> shift)) return std::nullopt;
  return value << shift;
}

Result<std::optional<AgentSettings>> parse_agent_settings(const Strings& arguments,
                                                          const Environment& environment) {
  AgentSettings settings;
  settings.host_name = own_host_name();
  Texts texts;
  po::options_description collecting("What is collected", kHelpColumns);
  po::options_description shipping("Where it goes", kHelpColumns);
  po::options_description state("State, and the agent itself", kHelpColumns);
  describe_collecting(settings, texts, collecting);
  describe_shipping(settings, texts, shipping);
  describe_state(settings, texts, state);
  po::options_description all("Options", kHelpColumns);
  all.add(shipping).add(collecting).add(state);
  const auto parsed = parse_options(kHelp, all, arguments, environment);
  if (!parsed) return parsed.error();
  if (parsed.value().help_wanted) return std::optional<AgentSettings>();
  const po::variables_map& values = parsed.value().values;
  if (Status numbers = take_numbers(values, settings); !numbers) return numbers.error();
  if (Status choices = take_choices(values, settings); !choices) return choices.error();
  if (Status lists = take_lists(texts, settings); !lists) return lists.error();
  if (Status checked = check_texts(texts, settings); !checked) return checked.error();
  return std::optional<AgentSettings>(std::move(settings));
}

}  // namespace longshore
