// Goal: no flags, variables or config file crash the agent; a refusal is one sentence, and a
// setting means the same in all three places.
// Method: lines of the input are flags `--name=value`; the same as variables and as a file.

#include <unistd.h>

#include <fstream>

#include "config/kafka_flags.h"
#include "config/settings.h"
#include "tests/fakes/temporary_dir.h"
#include "tests/fuzz/input.h"

namespace longshore::fuzz {
namespace {

using Parsed = Result<std::optional<AgentSettings>>;

// Through a pointer, so that the directory's end belongs to the process's.
const std::string& config_path() {
  static const fakes::TemporaryDir directory;
  static const std::string path = directory.path() + "/config";
  return path;
}

Parsed parse_file(const std::string& text) {
  std::ofstream(config_path(), std::ios::binary | std::ios::trunc) << text;
  return parse_agent_settings({"--config", config_path()}, {});
}

void check(const Parsed& parsed) {
  if (!parsed) {
    require(parsed.error().code == ErrorCode::kInvalid, "what is refused is a wrong setting");
    require(!parsed.error().message.empty(), "a refusal says why");
    return;
  }
  if (!parsed.value()) return;
  const AgentSettings& settings = *parsed.value();
  require(!settings.brokers.empty() && !settings.state_dir.empty(), "what is needed is there");
  require(is_topic_name(settings.topic), "a topic is one");
  require(settings.lanes >= 1 && settings.lanes <= 64, "lanes are bounded");
  require(settings.batch_bytes >= 1 && settings.sweep_ms >= 100, "numbers are bounded");
  require(settings.linger_ms >= 0 && settings.retention_hours >= 0, "numbers are not negative");
  require(settings.host_root.starts_with('/'), "the host's root is absolute");
  for (const Declaration& source : settings.sources) {
    require(source.stream == Stream::kFile, "the host has no streams");
  }
}

void require_same(const Parsed& left, const Parsed& right) {
  require(left.has_value() == right.has_value(), "a setting is usable everywhere or nowhere");
  if (!left || !left.value() || !right.value()) return;
  const AgentSettings &a = *left.value(), &b = *right.value();
  require(a.brokers == b.brokers && a.topic == b.topic && a.allow_topic == b.allow_topic &&
              a.state_dir == b.state_dir && a.docker_socket == b.docker_socket &&
              a.host_root == b.host_root && a.host_name == b.host_name && a.sources == b.sources &&
              a.prefixes == b.prefixes && a.delivery == b.delivery && a.kafka == b.kafka,
          "a text means the same everywhere");
  require(a.linger_ms == b.linger_ms && a.batch_bytes == b.batch_bytes && a.lanes == b.lanes &&
              a.topic_partitions == b.topic_partitions && a.topic_replicas == b.topic_replicas &&
              a.partitions_per_host == b.partitions_per_host && a.sweep_ms == b.sweep_ms &&
              a.rotate_wait_ms == b.rotate_wait_ms && a.retention_hours == b.retention_hours,
          "a number means the same everywhere");
  require(a.in_doubt == b.in_doubt && a.new_cluster == b.new_cluster &&
              a.first_start == b.first_start && a.log_level == b.log_level &&
              a.allow_fs == b.allow_fs,
          "a choice means the same everywhere");
}

struct Setting {
  std::string name, value;
};

// Lines `name=value` of plain letters and values; what a shell or a file would read differently
// from a flag is left out.
std::vector<Setting> plain_settings(std::string_view text) {
  std::vector<Setting> settings;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const size_t equals = line.find('=');
    if (equals == std::string_view::npos || equals == 0) continue;
    const std::string name(line.substr(0, equals)), value(line.substr(equals + 1));
    const bool letters = std::all_of(name.begin(), name.end(),
                                     [](char c) { return c == '-' || (c >= 'a' && c <= 'z'); });
    const bool blank = value.find_first_of("\r\t\v\f ") != std::string::npos ||
                       value.find('\0') != std::string::npos;
    if (!letters || name.starts_with('-') || name == "config" || value.empty() || blank) continue;
    if (name == "help" || name == "host-name") continue;
    // Passwords are refused in arguments alone.
    if (name == "kafka" && is_secret(value.substr(0, value.find('=')))) continue;
    const bool again = std::any_of(settings.begin(), settings.end(),
                                   [&](const Setting& one) { return one.name == name; });
    if (!again) settings.push_back({name, value});
  }
  return settings;
}

void everywhere(std::string_view text) {
  std::vector<std::string> arguments = {"--host-name=h"};
  Environment variables = {{"LONGSHORE_HOST_NAME", "h"}};
  std::string file = "host-name = h\n";
  for (const auto& [name, value] : plain_settings(text)) {
    if (name == "once" || name == "create-topics" || name == "ephemeral-state") continue;
    arguments.push_back("--" + name + "=" + value);
    std::string variable = "LONGSHORE_" + name;
    for (char& c : variable) {
      c = c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    }
    variables.emplace_back(variable, value);
    file.append(name).append(" = ").append(value).append("\n");
  }
  const Parsed flags = parse_agent_settings(arguments, {});
  check(flags);
  require_same(flags, parse_file(file));
  // An unknown variable may be another program's: only what flags take is compared.
  if (flags) require_same(flags, parse_agent_settings({}, variables));
}

}  // namespace
}  // namespace longshore::fuzz

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace longshore::fuzz;
  Input input(data, size);
  const uint8_t choice = input.byte();
  if (choice % 2 == 0) {
    everywhere(input.rest());
    return 0;
  }
  const std::string file = input.text();
  if (file.find("help") == std::string::npos) check(parse_file(file));
  longshore::Environment variables;
  std::vector<std::string> arguments;
  while (!input.empty()) {
    const std::string text = input.text();
    if (text.find("help") != std::string::npos || text.find("-h") != std::string::npos) continue;
    const size_t equals = text.find('=');
    if (choice % 4 == 1) arguments.push_back(text);
    if (choice % 4 == 3 && equals != std::string::npos) {
      variables.emplace_back(text.substr(0, equals), text.substr(equals + 1));
    }
  }
  check(longshore::parse_agent_settings(arguments, variables));
  return 0;
}
