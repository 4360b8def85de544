#include "config/kafka_flags.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <utility>

namespace longshore {
namespace {

Status append_file(const std::string& path, KafkaAccess& to) {
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0 && (status.st_mode & (S_IRGRP | S_IROTH)) != 0) {
    return invalid("--kafka-config " + path +
                   " can be read by other users: make it your own with 'chmod 600 " + path + "'.");
  }
  auto settings = read_settings("kafka-config", path);
  if (!settings) return settings.error();
  for (FileSetting& setting : *settings)
    to.settings.emplace_back(std::move(setting.name), std::move(setting.value));
  return ok();
}

}  // namespace

void add_kafka_flags(CommandLine& line, KafkaFlags& flags) {
  line.text("brokers", &flags.brokers, "HOST:PORT,..",
            "Connect to Kafka through these brokers (required).");
  line.list("kafka", &flags.kafka, "KEY=VALUE",
            "Set this librdkafka property; repeatable. Put passwords into --kafka-config.");
  line.text("kafka-config", &flags.config_file, "FILE",
            "Read librdkafka properties such as TLS and SASL from this file, one 'name = value' a "
            "line; only its owner may have the right to read it.");
}

Result<KafkaAccess> kafka_access(const CommandLine& line, const KafkaFlags& flags) {
  if (flags.brokers.empty()) {
    return missing("brokers",
                   "give Kafka's address as host:port, or try longshore out with 'longshore "
                   "broker'");
  }
  if (flags.brokers.find_first_of("\"'") != std::string::npos) {
    return line.unusable("brokers", flags.brokers,
                         "write host:port,host:port without quotation marks");
  }
  KafkaAccess access{flags.brokers, {}};
  if (!flags.config_file.empty()) {
    if (Status added = append_file(flags.config_file, access); !added) return added.error();
  }
  auto settings = line.pairs("kafka", flags.kafka);
  if (!settings) return settings.error();
  for (auto& [name, value] : *settings) {
    if (is_secret(name) && line.in_arguments("kafka")) {
      return invalid("--kafka " + name +
                     " is refused in arguments, where every user of this machine can read it: "
                     "write it into a file that only you can read, and give --kafka-config FILE.");
    }
    if (is_quoted(value)) {
      return invalid("--kafka " + name +
                     " has a value in quotation marks, which would be part of it: leave them out.");
    }
    access.settings.emplace_back(std::move(name), std::move(value));
  }
  return access;
}

bool is_secret(std::string_view property) {
  constexpr std::array<std::string_view, 4> kSecrets = {"password", "passphrase", "secret",
                                                        "key.pem"};
  return std::any_of(kSecrets.begin(), kSecrets.end(), [property](std::string_view secret) {
    return property.find(secret) != std::string_view::npos;
  });
}

}  // namespace longshore
