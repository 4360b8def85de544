// The flags by which every command that speaks to Kafka reaches it: --brokers, --kafka and
// --kafka-config.
//
// A password never needs to stand in arguments, which every user of the machine can read: it goes
// into the file of --kafka-config, which nobody else may read, or into the variable
// LONGSHORE_KAFKA.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/command_line.h"

namespace longshore {

struct KafkaFlags {
  std::string brokers;
  std::vector<std::string> kafka;
  std::string config_file;
};

struct KafkaAccess {
  std::string brokers;
  /// Properties of librdkafka: those of the file, then those of --kafka, which win.
  std::vector<std::pair<std::string, std::string>> settings;
};

void add_kafka_flags(CommandLine& line, KafkaFlags& flags);

/// Errors: kInvalid: no brokers; quotation marks where they would be part of a value; a password in
/// the arguments; a file that cannot be read, or that others can read as well.
Result<KafkaAccess> kafka_access(const CommandLine& line, const KafkaFlags& flags);

/// Whether the value of this property of librdkafka must not be shown.
bool is_secret(std::string_view property);

}  // namespace longshore
