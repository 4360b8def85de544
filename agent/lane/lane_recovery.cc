#include <spdlog/spdlog.h>

#include "agent/lane/lane.h"

namespace longshore::agent {
namespace {

constexpr int64_t kMs = 1'000'000;
constexpr int kCallTimeoutMs = 2000;
constexpr int64_t kUnstableSayNs = 60'000 * kMs;

Error stopped() { return {ErrorCode::kRetryable, "The agent is stopping."}; }

}  // namespace

// The start of every session, the first and each after a failure: nobody is fenced before the
// checkpoint and Kafka were compared, and nothing is shipped before the recovery table was run.
Status Lane::open_session() {
  if (Status cluster = check_cluster(); !cluster) return cluster;
  if (Status topic = check_checkpoint_topic(); !topic) return topic;
  const auto before = committed_offset(false);
  if (!before) return before.error();
  const auto record = store_.lane(options_.lane);
  if (!record) return record.error();
  const auto first = checkpoint::recover(record.value(), before.value(), options_.in_doubt);
  if (first.action == checkpoint::RecoveryAction::kRefuse) {
    return Error{ErrorCode::kInvalid, first.reason};
  }
  auto session = kafka_.open({.group = group_,
                              .transactional = options_.exactly_once,
                              .batch_bytes = session_batch_bytes_});
  if (!session) return session.error();
  session_ = std::move(session).value();
  if (options_.exactly_once) {
    if (Status taken = take_over(); !taken) return taken;
  }
  const auto kafka = committed_offset(true);
  if (!kafka) return kafka.error();
  const auto recovery = checkpoint::recover(record.value(), kafka.value(), options_.in_doubt);
  if (Status applied = apply(recovery); !applied) return applied;
  const auto now = store_.lane(options_.lane);
  if (!now) return now.error();
  if (Status loaded = load_waiting_ledger(); !loaded) return loaded;
  confirmed_ = now.value().confirmed;
  confirm_pending_ = false;
  in_doubt_said_.clear();
  last_commit_ns_ = clock_.monotonic_ns();
  spdlog::info("lane {}: {} Going on behind transaction {}.", options_.lane.value, recovery.reason,
               confirmed_.value);
  if (failures_ > 0) {
    spdlog::info("lane {}: connected again after {} tries", options_.lane.value, failures_);
  }
  return ok();
}

Status Lane::check_cluster() {
  const auto id = kafka_.cluster_id(kCallTimeoutMs);
  if (!id) return id.error();
  const auto stored = store_.value("cluster_id");
  if (!stored) return stored.error();
  const bool restart = options_.new_cluster == NewCluster::kRestart;
  if (stored.value().empty()) return store_.set_value("cluster_id", id.value());
  if (stored.value() == id.value()) {
    // Another lane was faster and forgot our sources with its own, or we did before.
    const bool other = !options_.cluster_id.empty() && options_.cluster_id != id.value();
    if (!restart || !other || started_over_) return ok();
    if (Status reloaded = sources_.reload(); !reloaded) return reloaded;
    started_over_ = true;
    return ok();
  }
  if (options_.new_cluster == NewCluster::kRefuse) {
    return Error{ErrorCode::kInvalid,
                 "This state directory belongs to the Kafka cluster " + stored.value() +
                     ", but the brokers are of cluster " + id.value() +
                     ". If that is meant, start once with --new-cluster=continue (go on at the "
                     "stored positions) or --new-cluster=restart (send all files again)."};
  }
  spdlog::warn("lane {}: a new Kafka cluster {} instead of {}, by --new-cluster",
               options_.lane.value, id.value(), stored.value());
  if (!restart) return store_.set_value("cluster_id", id.value());
  if (Status forgotten = store_.start_over(id.value()); !forgotten) return forgotten;
  if (Status reloaded = sources_.reload(); !reloaded) return reloaded;
  started_over_ = true;
  return ok();
}

Status Lane::check_checkpoint_topic() {
  const auto there = kafka_.topic_partitions(shipper::kCheckpointTopic, kCallTimeoutMs);
  if (there) return ok();
  if (there.error().code != ErrorCode::kNotFound) {
    // Forbidden today may be allowed tomorrow: the lane waits, it does not end.
    return Error{ErrorCode::kRetryable, there.error().message};
  }
  if (options_.create_topics) {
    const Status created = kafka_.create_topic(shipper::kCheckpointTopic, 1,
                                               options_.topic_replicas, kCallTimeoutMs * 3);
    return created ? created : Error{ErrorCode::kRetryable, created.error().message};
  }
  return Error{ErrorCode::kRetryable,
               "Topic longshore-checkpoint does not exist: create it with 1 partition (nothing is "
               "ever written to it), or start with --create-topics. Waiting for it."};
}

// The group's offset; while it is unstable (a transaction of our predecessor is still pending) it
// is asked again and again.
Result<checkpoint::CommittedOffset> Lane::committed_offset(bool stable) {
  const int64_t began = clock_.monotonic_ns();
  bool said = false;
  for (;;) {
    const auto offset = kafka_.committed(group_, stable, kCallTimeoutMs);
    if (offset) {
      checkpoint::CommittedOffset committed;
      if (offset.value().known) committed.number = offset.value().number;
      committed.digest = offset.value().digest;
      return committed;
    }
    if (!stable || offset.error().code != ErrorCode::kRetryable) return offset.error();
    apply_messages();
    if (stopping_) return stopped();
    if (!said && clock_.monotonic_ns() - began > kUnstableSayNs) {
      said = true;
      spdlog::error(
          "lane {}: the committed offset of group {} has been unstable for 60 s: {} A "
          "hanging transaction? Look with kafka-transactions.sh --find-hanging and abort "
          "it; waiting.",
          options_.lane.value, group_, offset.error().message);
    }
    pause();
  }
}

Status Lane::take_over() {
  for (;;) {
    const Status initialised = session_->init_transactions(kCallTimeoutMs);
    if (initialised || initialised.error().code != ErrorCode::kRetryable) return initialised;
    apply_messages();
    if (stopping_) return stopped();
    pause();
  }
}

Status Lane::commit_confirmed_offset() {
  if (!options_.exactly_once) return ok();
  const auto record = store_.lane(options_.lane);
  if (!record) return record.error();
  if (Status begun = session_->begin(); !begun) return begun;
  if (Status sent = commit_offset(record.value().confirmed, record.value().confirmed_digest);
      !sent) {
    return sent;
  }
  return store_.offset_committed(options_.lane);
}

// One ledger entry a source that the prepared transaction moved, from its confirmed position on.
Status Lane::ledger_prepared(const std::string& reason, const std::string& detail) {
  const auto prepared = store_.prepared(options_.lane);
  if (!prepared) return prepared.error();
  const auto event = reason == "possible duplicates" ? LedgerEvent::kDoubt : LedgerEvent::kLost;
  std::vector<LedgerEntry> entries;
  for (const auto& moved : prepared.value()) {
    const auto stored = store_.source(moved.source);
    if (!stored) return stored.error();
    const Position start = stored.value() ? stored.value()->state.covered : Position{};
    entries.push_back({.time_ns = clock_.wall_ns(),
                       .source = moved.source,
                       .lane = options_.lane,
                       .start = start,
                       .end = moved.state.covered,
                       .reason = reason,
                       .detail = detail,
                       .event = event});
  }
  return entries.empty() ? ledger_lane(event, reason, detail) : store_.append_ledger(entries);
}

// An entry of which nobody knows the sources.
Status Lane::ledger_lane(LedgerEvent event, const std::string& reason, const std::string& detail) {
  return store_.append_ledger({{.time_ns = clock_.wall_ns(),
                                .source = {},
                                .lane = options_.lane,
                                .start = {},
                                .end = {},
                                .reason = reason,
                                .detail = detail,
                                .event = event}});
}

// Kafka acknowledged a transaction and lost it before the store heard of it: our sources are ahead.
Status Lane::reload_unconfirmed() { return confirm_pending_ ? sources_.reload() : ok(); }

Status Lane::apply(const checkpoint::Recovery& recovery) {
  using Action = checkpoint::RecoveryAction;
  const auto lane = options_.lane;
  Status status = ok();
  const auto in_doubt = [&](const char* reason) {
    if (in_doubt_said_ == recovery.reason) return ok();
    spdlog::error("lane {}: {}: {}", lane.value, reason, recovery.reason);
    Status said = ledger_prepared(reason, recovery.reason);
    if (said && recovery.went_back) {
      said = ledger_lane(LedgerEvent::kLost, "broker went back", recovery.reason);
    }
    if (said) in_doubt_said_ = recovery.reason;
    return said;
  };
  switch (recovery.action) {
    case Action::kContinue:
      return ok();
    case Action::kCommitOffsetFirst:
      return commit_confirmed_offset();
    case Action::kConfirmPrepared:
      status = store_.confirm(lane);
      return status ? sources_.reload() : status;
    case Action::kDropPrepared:
      status = store_.drop_prepared(lane);
      return status ? reload_unconfirmed() : status;
    case Action::kResendPrepared:
      status = in_doubt("possible duplicates");
      if (status) status = store_.drop_prepared(lane);
      if (status) status = reload_unconfirmed();
      return status ? commit_confirmed_offset() : status;
    case Action::kSkipPrepared:
      status = in_doubt("possibly lost");
      if (status) status = store_.confirm(lane);
      if (status) status = sources_.reload();
      return status ? commit_confirmed_offset() : status;
    case Action::kResendConfirmed:
      status = in_doubt("possible duplicates");
      if (status) status = store_.step_back(lane);
      return status ? sources_.reload() : status;
    case Action::kSkipConfirmed:
      status = in_doubt("possibly lost");
      return status ? commit_confirmed_offset() : status;
    case Action::kRestoreOffset:
      status = in_doubt("broker went back");
      return status ? commit_confirmed_offset() : status;
    case Action::kHalt:
    case Action::kRefuse:
      return Error{ErrorCode::kInvalid, recovery.reason};
  }
  return ok();
}

}  // namespace longshore::agent
