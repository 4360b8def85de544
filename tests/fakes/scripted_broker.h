// What ScriptedKafka and its sessions share: the broker's own state and the script.
#pragma once

#include <array>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "tests/fakes/scripted_kafka.h"

namespace longshore::fakes {

struct ScriptedTopic {
  bool forbidden = false;
  bool unjoinable = false;  ///< No transaction may include it.
  std::vector<std::vector<Record>> partitions;
};

struct ScriptedRefusal {
  size_t records = 0;
  Trouble trouble = Trouble::kNone;
};

/// What takes the last commit back.
struct ScriptedUndo {
  std::map<TopicPartition, size_t> sizes;  ///< Before the commit.
  std::string group;
  GroupOffset offset;
};

/// Thread: any, each with `mutex` held.
struct ScriptedBroker {
  /// Counts the call; null: it shall not fail.
  const Fault* fault_of(Call call);
  Status query(Call call, const char* what);
  Trouble refusal_of(const TopicPartition& to);
  void append(const TopicPartition& to, Record record);
  void undo_last_commit();
  /// Whether a transaction of this id has not ended everywhere yet.
  bool is_busy(const std::string& id);

  std::mutex mutex;
  std::map<std::string, ScriptedTopic> topics;
  std::map<std::string, GroupOffset> offsets;
  std::map<std::string, uint64_t> epochs;  ///< An id's sessions below its epoch are fenced.
  std::set<TopicPartition> leaderless;
  std::map<std::string, std::set<TopicPartition>> unended;  ///< By id: where markers are missing.
  std::vector<std::string> ids;
  std::map<TopicPartition, ScriptedRefusal> refusals;
  std::vector<Fault> faults;
  std::array<size_t, static_cast<size_t>(Call::kCount)> calls{};
  std::string cluster_id = "scripted";
  ScriptedUndo undo;
  size_t queue_records_max = 100'000;
  size_t commits = 0, open_sessions = 0;
  std::vector<size_t> batch_sizes;
  bool away = false, unstable = false;
};

}  // namespace longshore::fakes
