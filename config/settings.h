// The settings of `longshore agent`, checked and in their units.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/command_line.h"
#include "config/declaration.h"
#include "config/recovery_choice.h"
#include "config/result.h"

namespace longshore {

enum class Delivery : uint8_t { kExactlyOnce, kAtLeastOnce };

/// Immutable once parsed. Durations and sizes as their names say.
struct AgentSettings {
  std::string brokers;
  std::string topic = "logs";
  std::vector<std::string> allow_topic;  ///< Globs of topics that containers may choose.
  std::string state_dir = "/var/lib/longshore";
  std::string docker_socket;  ///< A path; empty: no Docker.
  std::string host_root = "/";
  std::string host_name;
  std::vector<Declaration> sources;   ///< Of the host itself.
  std::vector<std::string> prefixes;  ///< Of declaring variables.
  Delivery delivery = Delivery::kExactlyOnce;
  std::vector<std::pair<std::string, std::string>> kafka;
  int64_t linger_ms = 1000;
  uint64_t batch_bytes = 128 << 20;
  uint32_t lanes = 1;
  bool create_topics = false;
  int32_t topic_partitions = 4;
  int32_t topic_replicas = 1;
  int32_t partitions_per_host = 4;
  bool once = false;
  InDoubt in_doubt = InDoubt::kResend;
  NewCluster new_cluster = NewCluster::kRefuse;
  bool ephemeral_state = false;
  std::vector<std::string> allow_fs;
  int64_t rotate_wait_ms = 5000;
  StartAt first_start = StartAt::kBeginning;
  int64_t retention_hours = 168;
  std::string ledger_topic = "longshore-ledger";  ///< Empty: the ledger is not shipped.
  uint64_t deleted_bytes = uint64_t{4} << 30;
  int64_t sweep_ms = 5000;
  std::string log_level = "info";
};

/// The settings, or nothing if the help was printed. Errors: kInvalid: one sentence that says what
/// to change.
Result<std::optional<AgentSettings>> parse_agent_settings(const std::vector<std::string>& arguments,
                                                          const Environment& environment);

}  // namespace longshore
