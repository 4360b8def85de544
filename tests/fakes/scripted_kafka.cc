#include "tests/fakes/scripted_kafka.h"

#include <cassert>

#include "tests/fakes/scripted_broker.h"
#include "tests/fakes/scripted_session.h"

namespace longshore::fakes {

ScriptedKafka::ScriptedKafka() : broker_(std::make_unique<ScriptedBroker>()) {
  broker_->topics[shipper::kCheckpointTopic].partitions.resize(1);
}

ScriptedKafka::~ScriptedKafka() = default;

void ScriptedKafka::add_topic(const std::string& name, int32_t partitions) {
  const std::lock_guard lock(broker_->mutex);
  broker_->topics[name].partitions.resize(static_cast<size_t>(partitions));
}

void ScriptedKafka::remove_topic(const std::string& name) {
  const std::lock_guard lock(broker_->mutex);
  broker_->topics.erase(name);
}

void ScriptedKafka::forbid_topic(const std::string& name) {
  const std::lock_guard lock(broker_->mutex);
  broker_->topics[name].forbidden = true;
}

void ScriptedKafka::forbid_joining(const std::string& name, bool forbidden) {
  const std::lock_guard lock(broker_->mutex);
  broker_->topics[name].unjoinable = forbidden;
}

void ScriptedKafka::fail(const Fault& fault) {
  const std::lock_guard lock(broker_->mutex);
  broker_->faults.push_back(fault);
}

void ScriptedKafka::fail_deliveries(const TopicPartition& to, size_t records, Trouble trouble) {
  const std::lock_guard lock(broker_->mutex);
  broker_->refusals[to] = {.records = records, .trouble = trouble};
}

void ScriptedKafka::set_leader(const TopicPartition& which, bool there) {
  const std::lock_guard lock(broker_->mutex);
  if (there) broker_->leaderless.erase(which);
  if (!there) broker_->leaderless.insert(which);
}

std::vector<std::string> ScriptedKafka::ids() const {
  const std::lock_guard lock(broker_->mutex);
  return broker_->ids;
}

void ScriptedKafka::set_away(bool away) {
  const std::lock_guard lock(broker_->mutex);
  broker_->away = away;
}

void ScriptedKafka::set_unstable(bool unstable) {
  const std::lock_guard lock(broker_->mutex);
  broker_->unstable = unstable;
}

void ScriptedKafka::set_cluster_id(std::string id) {
  const std::lock_guard lock(broker_->mutex);
  broker_->cluster_id = std::move(id);
}

void ScriptedKafka::set_queue_records_max(size_t records) {
  const std::lock_guard lock(broker_->mutex);
  broker_->queue_records_max = records;
}

void ScriptedKafka::set_offset(const std::string& group, GroupOffset offset) {
  const std::lock_guard lock(broker_->mutex);
  broker_->offsets[group] = std::move(offset);
}

void ScriptedKafka::undo_last_commit() {
  const std::lock_guard lock(broker_->mutex);
  broker_->undo_last_commit();
}

std::vector<Record> ScriptedKafka::records(const TopicPartition& from) const {
  const std::lock_guard lock(broker_->mutex);
  const auto topic = broker_->topics.find(from.topic);
  const auto partition = static_cast<size_t>(from.partition);
  if (topic == broker_->topics.end() || partition >= topic->second.partitions.size()) return {};
  return topic->second.partitions[partition];
}

GroupOffset ScriptedKafka::offset(const std::string& group) const {
  const std::lock_guard lock(broker_->mutex);
  const auto found = broker_->offsets.find(group);
  return found == broker_->offsets.end() ? GroupOffset{} : found->second;
}

size_t ScriptedKafka::calls(Call call) const {
  const std::lock_guard lock(broker_->mutex);
  return broker_->calls[static_cast<size_t>(call)];
}

size_t ScriptedKafka::commits() const {
  const std::lock_guard lock(broker_->mutex);
  return broker_->commits;
}

size_t ScriptedKafka::open_sessions() const {
  const std::lock_guard lock(broker_->mutex);
  return broker_->open_sessions;
}

std::vector<size_t> ScriptedKafka::batch_sizes() const {
  const std::lock_guard lock(broker_->mutex);
  return broker_->batch_sizes;
}

void ScriptedBroker::undo_last_commit() {
  assert(!undo.group.empty());
  for (const auto& [from, size] : undo.sizes) {
    topics.at(from.topic).partitions.at(static_cast<size_t>(from.partition)).resize(size);
  }
  offsets[undo.group] = undo.offset;
  undo = {};
}

bool ScriptedBroker::is_busy(const std::string& id) {
  std::erase_if(unended[id], [&](const auto& each) { return !leaderless.contains(each); });
  return !unended[id].empty();
}

const Fault* ScriptedBroker::fault_of(Call call) {
  const size_t number = ++calls[static_cast<size_t>(call)];
  for (const Fault& fault : faults) {
    if (fault.call != call) continue;
    if (number >= fault.nth && number < fault.nth + fault.times) return &fault;
  }
  return nullptr;
}

Status ScriptedBroker::query(Call call, const char* what) {
  const Fault* const fault = fault_of(call);
  if (fault) return Error{fault->code, std::string("Scripted fault of ") + what + "."};
  if (away) return Error{ErrorCode::kRetryable, std::string("Kafka is away: ") + what + "."};
  return ok();
}

Trouble ScriptedBroker::refusal_of(const TopicPartition& to) {
  const auto topic = topics.find(to.topic);
  if (topic == topics.end() || topic->second.forbidden) return Trouble::kPartition;
  const auto partition = static_cast<size_t>(to.partition);
  if (to.partition < 0 || partition >= topic->second.partitions.size()) return Trouble::kPartition;
  const auto refusal = refusals.find(to);
  if (refusal == refusals.end() || refusal->second.records == 0) return Trouble::kNone;
  --refusal->second.records;
  return refusal->second.trouble;
}

void ScriptedBroker::append(const TopicPartition& to, Record record) {
  const auto topic = topics.find(to.topic);
  if (topic == topics.end()) return;  // Removed after the delivery: its records went with it.
  topic->second.partitions.at(static_cast<size_t>(to.partition)).push_back(std::move(record));
}

Result<std::unique_ptr<shipper::Session>> ScriptedKafka::open(
    const shipper::SessionOptions& options) {
  {
    const std::lock_guard lock(broker_->mutex);
    // A handle connects lazily, so only a scripted fault fails here.
    if (const Fault* fault = broker_->fault_of(Call::kOpen))
      return Error{fault->code, "Scripted fault."};
    ++broker_->open_sessions;
    broker_->batch_sizes.push_back(options.batch_bytes);
  }
  return std::unique_ptr<shipper::Session>(std::make_unique<ScriptedSession>(*broker_, options));
}

Result<GroupOffset> ScriptedKafka::committed(const std::string& group, bool stable, int) {
  const std::lock_guard lock(broker_->mutex);
  if (Status status = broker_->query(Call::kCommitted, "committed"); !status) return status.error();
  if (!broker_->topics.contains(shipper::kCheckpointTopic)) {
    return Error{ErrorCode::kNotFound, "The checkpoint topic does not exist."};
  }
  if (stable && broker_->unstable) return Error{ErrorCode::kUndecided, "The offset is unstable."};
  return broker_->offsets[group];
}

Result<shipper::TopicShape> ScriptedKafka::topic_shape(const std::string& topic, int) {
  const std::lock_guard lock(broker_->mutex);
  if (Status status = broker_->query(Call::kTopicShape, "topic_shape"); !status) {
    return status.error();
  }
  const auto found = broker_->topics.find(topic);
  if (found == broker_->topics.end()) {
    return Error{ErrorCode::kNotFound, "Topic " + topic + " does not exist."};
  }
  if (found->second.forbidden) {
    return Error{ErrorCode::kInvalid, "Topic " + topic + " is forbidden."};
  }
  shipper::TopicShape shape{.partitions = static_cast<int32_t>(found->second.partitions.size())};
  for (const TopicPartition& which : broker_->leaderless) {
    if (which.topic == topic) shape.unusable[which.partition] = "it has no leader";
  }
  return shape;
}

Status ScriptedKafka::create_topic(const std::string& topic, int32_t partitions, int32_t, int) {
  const std::lock_guard lock(broker_->mutex);
  if (Status status = broker_->query(Call::kCreateTopic, "create_topic"); !status) return status;
  if (broker_->topics.contains(topic)) return ok();
  broker_->topics[topic].partitions.resize(static_cast<size_t>(partitions));
  return ok();
}

Result<std::string> ScriptedKafka::cluster_id(int) {
  const std::lock_guard lock(broker_->mutex);
  if (Status status = broker_->query(Call::kClusterId, "cluster_id"); !status)
    return status.error();
  return broker_->cluster_id;
}

}  // namespace longshore::fakes
