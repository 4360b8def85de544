#include "integrations/kafka/command_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "config/nearest.h"

namespace longshore::kafka {

namespace po = boost::program_options;

void add_reading_flags(Flags& flags) {
  auto add = flags.add_options();
  add("help,h", "show this and exit");
  add("brokers", po::value<std::string>()->value_name("LIST"), "Kafka's addresses: host:port,...");
  add("topic", po::value<std::vector<std::string>>()->value_name("NAME"),
      "a topic to read; may be repeated");
  add("isolation", po::value<std::string>()->default_value("read_committed")->value_name("LEVEL"),
      "read_committed, or read_uncommitted to see aborted records too");
  add("kafka", po::value<std::vector<std::string>>()->value_name("K=V"),
      "a further librdkafka setting (TLS, SASL); may be repeated");
}

Result<FlagValues> parse_flags(int argc, char** argv, const Flags& flags) {
  const po::positional_options_description no_positions;
  std::vector<std::string> names;
  for (const auto& option : flags.options()) names.push_back("--" + option->long_name());
  const auto environment = [&flags](const std::string& variable) -> std::string {
    constexpr std::string_view kPrefix = "LONGSHORE_";
    if (!variable.starts_with(kPrefix)) return {};
    std::string name = variable.substr(kPrefix.size());
    std::transform(name.begin(), name.end(), name.begin(), [](char c) {
      return c == '_' ? '-' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    });
    return name != "help" && flags.find_nothrow(name, false) ? name : std::string();
  };
  try {
    FlagValues values;
    using namespace po::command_line_style;
    po::store(po::command_line_parser(argc, argv)
                  .options(flags)
                  .positional(no_positions)
                  .style(unix_style & ~allow_guessing)
                  .run(),
              values);
    po::store(po::parse_environment(flags, environment), values);
    po::notify(values);
    return values;
  } catch (const po::unknown_option& unknown) {
    const std::string near = nearest(unknown.get_option_name(), names);
    return Error{
        ErrorCode::kInvalid,
        fmt::format("There is no flag {}{}", unknown.get_option_name(),
                    near.empty() ? "; --help lists them." : "; did you mean " + near + "?")};
  } catch (const po::too_many_positional_options_error&) {
    return Error{ErrorCode::kInvalid, "Every argument needs its flag; --help lists them."};
  } catch (const po::error& error) {
    return Error{ErrorCode::kInvalid, fmt::format("{}; see --help.", error.what())};
  }
}

std::vector<std::string> all_of(const FlagValues& values, const std::string& flag) {
  return values.count(flag) ? values[flag].as<std::vector<std::string>>()
                            : std::vector<std::string>();
}

Result<shipper::KafkaSettings> kafka_settings(const FlagValues& values) {
  shipper::KafkaSettings settings;
  for (const std::string& setting : all_of(values, "kafka")) {
    const size_t equals = setting.find('=');
    if (equals == std::string::npos || equals == 0)
      return Error{ErrorCode::kInvalid, fmt::format("--kafka {}: write it as k=v.", setting)};
    settings.emplace_back(setting.substr(0, equals), setting.substr(equals + 1));
  }
  return settings;
}

Result<ReaderOptions> reader_options(const FlagValues& values) {
  ReaderOptions options;
  if (!values.count("brokers"))
    return Error{ErrorCode::kInvalid, "--brokers is missing: give Kafka's address, host:port."};
  options.brokers = values["brokers"].as<std::string>();
  options.topics = all_of(values, "topic");
  if (options.topics.empty())
    return Error{ErrorCode::kInvalid, "--topic is missing: name the topic to read."};
  const std::string isolation = values["isolation"].as<std::string>();
  if (isolation != "read_committed" && isolation != "read_uncommitted") {
    return Error{ErrorCode::kInvalid, fmt::format("--isolation {}: it is read_committed or "
                                                  "read_uncommitted.",
                                                  isolation)};
  }
  options.read_committed = isolation == "read_committed";
  auto settings = kafka_settings(values);
  if (!settings) return settings.error();
  options.settings = *std::move(settings);
  return options;
}

int complain(const char* command, const Error& error, int status) {
  fmt::print(stderr, "longshore {}: {}\n", command, error.message);
  return status;
}

}  // namespace longshore::kafka
