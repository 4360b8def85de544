#include "tests/simulation/broker.h"

#include <algorithm>
#include <utility>

#include "tests/simulation/broker_session.h"

namespace longshore::simulation {

using shipper::GroupOffset;
using shipper::TopicPartition;
using shipper::Trouble;

void Broker::add_topic(const std::string& name, int32_t partitions) {
  topics_[name].partitions = partitions;
}

void Broker::forbid(const std::string& name, bool forbidden) {
  const auto found = topics_.find(name);
  if (found != topics_.end()) found->second.forbidden = forbidden;
}

void Broker::fence() {
  for (auto& [id, epoch] : epochs_) ++epoch;
}

void Broker::lose_leader(const TopicPartition& which, int64_t told_ns) {
  timeline_.trace("kafka: {}[{}] has no leader", which.topic, which.partition);
  leaderless_.emplace(which, told_ns == INT64_MAX ? told_ns : timeline_.now() + told_ns);
}

void Broker::find_leader(const TopicPartition& which) {
  if (leaderless_.erase(which) == 0) return;
  timeline_.trace("kafka: {}[{}] has a leader again", which.topic, which.partition);
}

int32_t Broker::partitions(const std::string& topic) const {
  const auto found = topics_.find(topic);
  return found == topics_.end() ? 0 : found->second.partitions;
}

void Broker::end_on(const std::string& id, const std::set<TopicPartition>& partitions) {
  unended_[id].insert(partitions.begin(), partitions.end());
}

bool Broker::is_pending(const std::string& id) const {
  return std::any_of(pending_.begin(), pending_.end(),
                     [&](const auto& each) { return each.id == id; });
}

// Markers are written as soon as there is a leader; a partition that was deleted needs none.
bool Broker::is_busy(const std::string& id) {
  auto& partitions = unended_[id];
  std::erase_if(partitions, [&](const auto& each) { return has_leader(each); });
  return !partitions.empty();
}

void Broker::offset_expires() {
  decide();
  fence();
  // Nothing tells then that something was lost before.
  lost_unnoticed_ = lost_unnoticed_ || (!lost_.empty() && lost_at_ == commits_);
  offset_ = {};
  undos_.clear();
  went_back_ = true;
  timeline_.trace("kafka: the offset expires");
}

void Broker::lose(size_t commits) {
  decide();
  fence();
  while (commits-- > 0 && !undos_.empty()) {
    const Undo undo = std::move(undos_.back());
    undos_.pop_back();
    lost_.insert(lost_.end(), committed_.begin() + static_cast<int64_t>(undo.records),
                 committed_.end());
    committed_.resize(undo.records);
    offset_ = undo.offset;
    went_back_ = true;
    lost_at_ = commits_;
    timeline_.trace("kafka: a commit is lost, the offset is {} again",
                    offset_.known ? std::to_string(offset_.number.value) : "none");
  }
  // Back to when the offset had expired: as above.
  lost_unnoticed_ = lost_unnoticed_ || (!lost_.empty() && !offset_.known);
}

void Broker::calm_down() {
  faults_ = {};
  away_ = unstable_ = false;
  leaderless_.clear();
  message_bytes_max_ = 1'100'000;
  for (auto& [name, topic] : topics_) topic.forbidden = false;
}

void Broker::commit(Transaction transaction) {
  undos_.push_back({offset_, committed_.size()});
  if (transaction.offset) offset_ = *transaction.offset;
  for (Committed& record : transaction.records) {
    record.number = offset_.number.value;
    // Who reads all the time has it, though its topic may be deleted by now.
    committed_.push_back(std::move(record));
  }
  ++commits_;
  timeline_.trace("kafka: commit {}, {} records", offset_.number.value, committed_.size());
}

void Broker::decide() {
  for (Pending& pending : std::exchange(pending_, {})) {
    timeline_.trace("kafka: a pending commit {}", pending.commits ? "succeeds" : "is aborted");
    end_on(pending.id, pending.transaction.partitions);
    if (pending.commits) commit(std::move(pending.transaction));
  }
}

void Broker::decide_if_due() {
  const bool due = std::any_of(pending_.begin(), pending_.end(),
                               [&](const auto& each) { return each.due <= timeline_.now(); });
  if (due || timeline_.calm()) decide();
}

Status Broker::query(const char* what, int timeout_ms) {
  timeline_.seam(what);
  decide_if_due();
  if (away_) {
    timeline_.pass(timeout_ms * kMs);
    return Error{ErrorCode::kRetryable, std::string("no broker answers: ") + what};
  }
  if (timeline_.random().chance(faults_.retryable)) {
    return Error{ErrorCode::kRetryable, std::string("timed out: ") + what};
  }
  return ok();
}

Trouble Broker::refusal(const shipper::TopicPartition& to, size_t bytes) {
  const auto topic = topics_.find(to.topic);
  if (topic == topics_.end() || topic->second.forbidden) return Trouble::kPartition;
  if (to.partition < 0 || to.partition >= topic->second.partitions) return Trouble::kPartition;
  if (bytes > message_bytes_max_) return Trouble::kTooLarge;
  if (!timeline_.random().chance(faults_.refused)) return Trouble::kNone;
  constexpr Trouble kAll[] = {Trouble::kBroker, Trouble::kTooLarge, Trouble::kTimeout,
                              Trouble::kPartition};
  return kAll[timeline_.random().below(4)];
}

Result<std::unique_ptr<shipper::Session>> Broker::open(const shipper::SessionOptions& options) {
  timeline_.seam("open");
  if (timeline_.random().chance(faults_.gone)) {
    return Error{ErrorCode::kRetryable, "no session can be made"};
  }
  return std::unique_ptr<shipper::Session>(std::make_unique<BrokerSession>(*this, options));
}

Result<GroupOffset> Broker::committed(const std::string&, bool stable, int timeout_ms) {
  if (Status status = query("committed", timeout_ms); !status) return status.error();
  if (stable && (unstable_ || !pending_.empty())) {
    return Error{ErrorCode::kUndecided, "the offset is unstable"};
  }
  return offset_;
}

Result<shipper::TopicShape> Broker::topic_shape(const std::string& name, int timeout_ms) {
  if (Status status = query("topic_shape", timeout_ms); !status) return status.error();
  if (name == shipper::kCheckpointTopic) return shipper::TopicShape{.partitions = 1};
  const auto found = topics_.find(name);
  if (found == topics_.end()) return Error{ErrorCode::kNotFound, "no topic " + name};
  if (found->second.forbidden) return Error{ErrorCode::kInvalid, "forbidden topic " + name};
  shipper::TopicShape shape{.partitions = found->second.partitions};
  for (const auto& [which, told_at] : leaderless_) {
    if (which.topic == name && told_at <= timeline_.now()) {
      shape.unusable[which.partition] = "it has no leader";
    }
  }
  return shape;
}

Status Broker::create_topic(const std::string& name, int32_t partitions, int32_t, int timeout_ms) {
  if (Status status = query("create_topic", timeout_ms); !status) return status;
  if (!topics_.contains(name)) add_topic(name, partitions);
  return ok();
}

Result<std::string> Broker::cluster_id(int timeout_ms) {
  if (Status status = query("cluster_id", timeout_ms); !status) return status.error();
  return std::string("simulated");
}

}  // namespace longshore::simulation
