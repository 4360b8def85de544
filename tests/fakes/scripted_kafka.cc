#include "tests/fakes/scripted_kafka.h"

#include <cassert>

#include "tests/fakes/scripted_session.h"

namespace longshore::fakes {

ScriptedKafka::ScriptedKafka() { topics_[shipper::kCheckpointTopic].partitions.resize(1); }

void ScriptedKafka::add_topic(const std::string& name, int32_t partitions) {
  const std::lock_guard lock(mutex_);
  topics_[name].partitions.resize(static_cast<size_t>(partitions));
}

void ScriptedKafka::remove_topic(const std::string& name) {
  const std::lock_guard lock(mutex_);
  topics_.erase(name);
}

void ScriptedKafka::forbid_topic(const std::string& name) {
  const std::lock_guard lock(mutex_);
  topics_[name].forbidden = true;
}

void ScriptedKafka::fail(const Fault& fault) {
  const std::lock_guard lock(mutex_);
  faults_.push_back(fault);
}

void ScriptedKafka::fail_deliveries(const TopicPartition& to, size_t records, Trouble trouble) {
  const std::lock_guard lock(mutex_);
  refusals_[to] = {.records = records, .trouble = trouble};
}

void ScriptedKafka::set_away(bool away) {
  const std::lock_guard lock(mutex_);
  away_ = away;
}

void ScriptedKafka::set_unstable(bool unstable) {
  const std::lock_guard lock(mutex_);
  unstable_ = unstable;
}

void ScriptedKafka::set_cluster_id(std::string id) {
  const std::lock_guard lock(mutex_);
  cluster_id_ = std::move(id);
}

void ScriptedKafka::set_queue_records_max(size_t records) {
  const std::lock_guard lock(mutex_);
  queue_records_max_ = records;
}

void ScriptedKafka::set_offset(const std::string& group, GroupOffset offset) {
  const std::lock_guard lock(mutex_);
  offsets_[group] = std::move(offset);
}

void ScriptedKafka::undo_last_commit() {
  const std::lock_guard lock(mutex_);
  assert(!undo_.group.empty());
  for (const auto& [from, size] : undo_.sizes) {
    topics_.at(from.topic).partitions.at(static_cast<size_t>(from.partition)).resize(size);
  }
  offsets_[undo_.group] = undo_.offset;
  undo_ = {};
}

std::vector<Record> ScriptedKafka::records(const TopicPartition& from) const {
  const std::lock_guard lock(mutex_);
  const auto topic = topics_.find(from.topic);
  const auto partition = static_cast<size_t>(from.partition);
  if (topic == topics_.end() || partition >= topic->second.partitions.size()) return {};
  return topic->second.partitions[partition];
}

GroupOffset ScriptedKafka::offset(const std::string& group) const {
  const std::lock_guard lock(mutex_);
  const auto found = offsets_.find(group);
  return found == offsets_.end() ? GroupOffset{} : found->second;
}

size_t ScriptedKafka::calls(Call call) const {
  const std::lock_guard lock(mutex_);
  return calls_[static_cast<size_t>(call)];
}

size_t ScriptedKafka::commits() const {
  const std::lock_guard lock(mutex_);
  return commits_;
}

size_t ScriptedKafka::open_sessions() const {
  const std::lock_guard lock(mutex_);
  return open_sessions_;
}

const Fault* ScriptedKafka::fault_of(Call call) {
  const size_t number = ++calls_[static_cast<size_t>(call)];
  for (const Fault& fault : faults_) {
    if (fault.call != call) continue;
    if (number >= fault.nth && number < fault.nth + fault.times) return &fault;
  }
  return nullptr;
}

Status ScriptedKafka::query(Call call, const char* what) {
  const Fault* const fault = fault_of(call);
  if (fault) return Error{fault->code, std::string("Scripted fault of ") + what + "."};
  if (away_) return Error{ErrorCode::kRetryable, std::string("Kafka is away: ") + what + "."};
  return ok();
}

Trouble ScriptedKafka::refusal_of(const TopicPartition& to) {
  const auto topic = topics_.find(to.topic);
  if (topic == topics_.end() || topic->second.forbidden) return Trouble::kPartition;
  const auto partition = static_cast<size_t>(to.partition);
  if (to.partition < 0 || partition >= topic->second.partitions.size()) return Trouble::kPartition;
  const auto refusal = refusals_.find(to);
  if (refusal == refusals_.end() || refusal->second.records == 0) return Trouble::kNone;
  --refusal->second.records;
  return refusal->second.trouble;
}

void ScriptedKafka::append(const TopicPartition& to, Record record) {
  const auto topic = topics_.find(to.topic);
  if (topic == topics_.end()) return;  // Removed after the delivery: its records went with it.
  topic->second.partitions.at(static_cast<size_t>(to.partition)).push_back(std::move(record));
}

Result<std::unique_ptr<shipper::Session>> ScriptedKafka::open(
    const shipper::SessionOptions& options) {
  {
    const std::lock_guard lock(mutex_);
    // A handle connects lazily, so only a scripted fault fails here.
    if (const Fault* fault = fault_of(Call::kOpen)) return Error{fault->code, "Scripted fault."};
    ++open_sessions_;
  }
  return std::unique_ptr<shipper::Session>(std::make_unique<ScriptedSession>(*this, options));
}

Result<GroupOffset> ScriptedKafka::committed(const std::string& group, bool stable, int) {
  const std::lock_guard lock(mutex_);
  if (Status status = query(Call::kCommitted, "committed"); !status) return status.error();
  if (!topics_.contains(shipper::kCheckpointTopic)) {
    return Error{ErrorCode::kNotFound, "The checkpoint topic does not exist."};
  }
  if (stable && unstable_) return Error{ErrorCode::kRetryable, "The offset is unstable."};
  return offsets_[group];
}

Result<int32_t> ScriptedKafka::topic_partitions(const std::string& topic, int) {
  const std::lock_guard lock(mutex_);
  if (Status status = query(Call::kTopicPartitions, "topic_partitions"); !status) {
    return status.error();
  }
  const auto found = topics_.find(topic);
  if (found == topics_.end()) {
    return Error{ErrorCode::kNotFound, "Topic " + topic + " does not exist."};
  }
  if (found->second.forbidden) {
    return Error{ErrorCode::kInvalid, "Topic " + topic + " is forbidden."};
  }
  return static_cast<int32_t>(found->second.partitions.size());
}

Status ScriptedKafka::create_topic(const std::string& topic, int32_t partitions, int32_t, int) {
  const std::lock_guard lock(mutex_);
  if (Status status = query(Call::kCreateTopic, "create_topic"); !status) return status;
  if (topics_.contains(topic)) return ok();
  topics_[topic].partitions.resize(static_cast<size_t>(partitions));
  return ok();
}

Result<std::string> ScriptedKafka::cluster_id(int) {
  const std::lock_guard lock(mutex_);
  if (Status status = query(Call::kClusterId, "cluster_id"); !status) return status.error();
  return cluster_id_;
}

}  // namespace longshore::fakes
