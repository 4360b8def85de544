#include "agent/lane/take_over.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <set>
#include <utility>

#include "config/limits.h"

namespace longshore::agent {
namespace {

// What decides about the last transaction: an offset that no pending one can change any more.
constexpr bool kStable = true;

constexpr size_t kLogsToldMax = 20;  // Of one transaction.

std::string described(const checkpoint::SourceRow& row) {
  return row.name + " of " +
         (row.container_id.empty() ? "the host" : "container " + row.container_name) + " (" +
         row.host_path + ", " + to_string(row.id) + ")";
}

Error stopped() { return {ErrorCode::kRetryable, "The agent is stopping."}; }

}  // namespace

TakeOver::TakeOver(const LaneSetup& setup, Sources& sources, Inbox& inbox, Feed& feed,
                   OpenTransaction& transaction, LastDelivered& delivered, TransactionalIds& ids,
                   KafkaOutage& outage)
    : setup_(setup),
      sources_(sources),
      inbox_(inbox),
      feed_(feed),
      transaction_(transaction),
      delivered_(delivered),
      ids_(ids),
      outage_(outage),
      group_(lane_group(setup.options.host_id, setup.options.lane)) {}

Status TakeOver::run(size_t batch_bytes) {
  const LaneOptions& options = setup_.options;
  next_look_ns_ = setup_.clock.monotonic_ns() + limits::kSilenceNs;
  if (Status cluster = check_cluster(); !cluster) return cluster;
  if (Status topic = check_checkpoint_topic(); !topic) return topic;
  const auto before = committed_offset(false);
  if (!before) return before.error();
  const auto record = setup_.store.lane(options.lane);
  if (!record) return record.error();
  const auto first = checkpoint::recover(record.value(), before.value(), options.in_doubt);
  if (first.action == checkpoint::RecoveryAction::kRefuse) {
    return Error{ErrorCode::kInvalid, first.reason};
  }
  if (Status loaded = ids_.load(); !loaded) return loaded;
  if (Status opened = open_session(batch_bytes); !opened) return opened;
  if (options.exactly_once) {
    if (Status fenced = fence_predecessor(batch_bytes); !fenced) return fenced;
  }
  const auto kafka = committed_offset(kStable);
  if (!kafka) return kafka.error();
  const auto recovery = checkpoint::recover(record.value(), kafka.value(), options.in_doubt);
  if (Status applied = apply(recovery); !applied) return applied;
  const auto now = setup_.store.lane(options.lane);
  if (!now) return now.error();
  delivered_ = {.number = now.value().confirmed, .is_unconfirmed = false};
  noted_doubt_.clear();
  outage_.end();
  spdlog::info("lane {}: {} Resuming after transaction {}.", options.lane.value, recovery.reason,
               delivered_.number.value);
  return ok();
}

Status TakeOver::check_cluster() {
  const auto id = setup_.kafka.cluster_id(limits::kKafkaQueryMs);
  if (!id) {
    if (id.error().code == ErrorCode::kRetryable) kafka_is_away(id.error());
    return id.error();
  }
  const auto stored = setup_.store.value("cluster_id");
  if (!stored) return stored.error();
  const LaneOptions& options = setup_.options;
  const bool restart = options.new_cluster == NewCluster::kRestart;
  if (stored.value().empty()) return setup_.store.set_value("cluster_id", id.value());
  if (stored.value() == id.value()) {
    // Another lane saw the new cluster first and forgot our sources with its own, or we did before.
    const bool is_new = !options.cluster_id.empty() && options.cluster_id != id.value();
    if (!restart || !is_new || started_over_) return ok();
    if (Status reloaded = sources_.reload(); !reloaded) return reloaded;
    started_over_ = true;
    return ok();
  }
  if (options.new_cluster == NewCluster::kRefuse) {
    return Error{ErrorCode::kInvalid,
                 "This state directory belongs to the Kafka cluster " + stored.value() +
                     ", but the brokers belong to cluster " + id.value() +
                     ". If that is meant, start once with --new-cluster=continue (resume at the "
                     "stored positions) or --new-cluster=restart (send all files again)."};
  }
  spdlog::warn("lane {}: the Kafka cluster has changed to {} from {}: {}, as --new-cluster says",
               options.lane.value, id.value(), stored.value(),
               restart ? "sending all files again" : "resuming at the stored positions");
  if (!restart) return setup_.store.set_value("cluster_id", id.value());
  if (Status forgotten = setup_.store.start_over(id.value()); !forgotten) return forgotten;
  if (Status reloaded = sources_.reload(); !reloaded) return reloaded;
  started_over_ = true;
  return ok();
}

void TakeOver::kafka_is_away(const Error& error) {
  inbox_.apply();  // The message tells how many logs wait.
  outage_.begin(error.message);
}

// Any broker tells about a topic. That the cluster's id is known shows nothing: it is remembered.
Result<shipper::TopicShape> TakeOver::ask_about_checkpoint(int timeout_ms) {
  auto there = setup_.kafka.topic_shape(shipper::kCheckpointTopic, timeout_ms);
  if (!there && there.error().code == ErrorCode::kRetryable) {
    kafka_is_away(there.error());
  } else {
    outage_.end();
  }
  return there;
}

// While something else is waited for: perhaps it does not come because no broker answers.
void TakeOver::look_for_kafka() {
  const int64_t now = setup_.clock.monotonic_ns();
  if (now < next_look_ns_) return;
  static_cast<void>(ask_about_checkpoint(limits::kUnusableLookMs));
  next_look_ns_ = setup_.clock.monotonic_ns() + limits::kSilenceNs;
}

Status TakeOver::check_checkpoint_topic() {
  const auto there = ask_about_checkpoint(limits::kKafkaQueryMs);
  if (there) return ok();
  // Whatever is missing or forbidden today may be there tomorrow: the lane waits, it does not end.
  if (there.error().code != ErrorCode::kNotFound) {
    return Error{ErrorCode::kRetryable, there.error().message};
  }
  if (setup_.options.create_topics) {
    const Status created = setup_.kafka.create_topic(
        shipper::kCheckpointTopic, 1, setup_.options.topic_replicas, limits::kCreateTopicMs);
    return created ? created : Error{ErrorCode::kRetryable, created.error().message};
  }
  return Error{ErrorCode::kRetryable,
               "Topic longshore-checkpoint does not exist, so nothing can be shipped: create it "
               "with 1 partition (nothing is ever written to it), or start with --create-topics. "
               "Trying again."};
}

// The committed offset of the group. With `stable` it asks again and again while a transaction of
// our predecessor is still pending.
Result<checkpoint::CommittedOffset> TakeOver::committed_offset(bool stable) {
  const int64_t began_ns = setup_.clock.monotonic_ns();
  bool logged = false;
  for (;;) {
    const auto offset = setup_.kafka.committed(group_, stable, limits::kKafkaQueryMs);
    if (offset) {
      checkpoint::CommittedOffset committed;
      if (offset.value().known) committed.number = offset.value().number;
      committed.digest = offset.value().digest;
      return committed;
    }
    const ErrorCode code = offset.error().code;
    const bool again = code == ErrorCode::kRetryable || code == ErrorCode::kUndecided;
    if (!stable || !again) return offset.error();
    inbox_.apply();
    if (inbox_.stopping()) return stopped();
    look_for_kafka();
    if (!logged && !outage_.lasts() &&
        setup_.clock.monotonic_ns() - began_ns > limits::kUnstableOffsetNs) {
      logged = true;
      spdlog::error(
          "lane {}: the committed offset of group {} has been unstable for 60 s, so nothing is "
          "shipped: {} If a transaction hangs, kafka-transactions.sh --find-hanging finds it: "
          "abort it. Waiting.",
          setup_.options.lane.value, group_, offset.error().message);
    }
    setup_.pause();
  }
}

Status TakeOver::open_session(size_t batch_bytes) {
  auto session = setup_.kafka.open({.group = group_,
                                    .transactional_id = ids_.current(),
                                    .transactional = setup_.options.exactly_once,
                                    .batch_bytes = batch_bytes});
  if (!session) return session.error();
  feed_.start(std::move(session).value());
  return ok();
}

// Whether the outcome of the last transaction cannot change any more. The group's partition gets
// the marker of its end, whatever becomes of the other partitions. No transaction is committed
// before its offset is there, so one without a pending offset is never committed later.
bool TakeOver::outcome_is_known() const {
  return setup_.kafka.committed(group_, kStable, limits::kKafkaQueryMs).has_value();
}

// Whether a partition that the predecessor may have written to takes nothing: then Kafka cannot end
// its transaction. Asks about a few topics at a time.
bool TakeOver::predecessor_is_stuck() {
  if (predecessors_topics_.empty()) {
    const auto stored = setup_.store.sources(setup_.options.lane);
    const auto prepared = setup_.store.prepared(setup_.options.lane);
    if (!stored || !prepared) return false;
    std::set<std::string> topics = {setup_.options.ledger_topic};
    for (const auto& each : stored.value()) topics.insert(each.state.topic);
    for (const auto& each : prepared.value()) topics.insert(each.state.topic);
    topics.erase("");
    predecessors_topics_.assign(topics.begin(), topics.end());
  }
  const size_t count = std::min(predecessors_topics_.size(), limits::kUnusableTopicsMax);
  for (size_t i = 0; i < count; ++i) {
    std::rotate(predecessors_topics_.begin(), predecessors_topics_.begin() + 1,
                predecessors_topics_.end());
    const auto shape =
        setup_.kafka.topic_shape(predecessors_topics_.back(), limits::kUnusableLookMs);
    if (shape && !shape.value().unusable.empty()) return true;
    if (!shape && shape.error().code == ErrorCode::kRetryable) return false;
  }
  return false;
}

// Goes on under another id than the one that is busy.
Status TakeOver::leave_id(size_t batch_bytes) {
  const std::string id = ids_.current();
  feed_.stop();
  if (Status stored = ids_.leave(); !stored) return stored;
  spdlog::warn(
      "lane {}: Kafka has not ended the last transaction of {}: a partition of it takes "
      "nothing. Its outcome is known, so nothing is lost or sent twice: going on as {}.",
      setup_.options.lane.value, id, ids_.current());
  return open_session(batch_bytes);
}

// Takes the transactional id over: a predecessor that still runs can commit nothing any more. While
// Kafka cannot end the predecessor's transaction, because one of its partitions takes nothing, the
// id is busy, and the lane goes on under another. An id is also busy while another agent uses it,
// one on a copy of the state directory: that must be fenced, or be the one that fences us.
Status TakeOver::fence_predecessor(size_t batch_bytes) {
  int64_t began_ns = setup_.clock.monotonic_ns();
  const int64_t tell_ns = began_ns + limits::kUnstableOffsetNs;
  bool told = false;
  predecessors_topics_.clear();
  for (uint32_t left = 0;;) {
    const Status initialised = feed_.session().init_transactions(limits::kBusyIdCallMs);
    if (initialised) return ok();
    const ErrorCode code = initialised.error().code;
    if (code != ErrorCode::kRetryable && code != ErrorCode::kUndecided) return initialised;
    inbox_.apply();
    if (inbox_.stopping()) return stopped();
    look_for_kafka();
    const int64_t now = setup_.clock.monotonic_ns();
    if (now >= tell_ns && !outage_.lasts() && !std::exchange(told, true)) {
      spdlog::error(
          "lane {}: transactional id {} could not be taken over for 60 s, so nothing is shipped, "
          "and nothing is lost: {} If a partition of __transaction_state has no leader, the lane "
          "waits for it. Trying again.",
          setup_.options.lane.value, ids_.current(), initialised.error().message);
    }
    const bool all_left = left >= limits::kTransactionalIdsMax;
    const int64_t busy_ns = code == ErrorCode::kUndecided ? now - began_ns : 0;
    const bool leave = busy_ns >= limits::kLeftIdNsMin ||
                       (busy_ns >= limits::kBusyIdNs && !all_left && predecessor_is_stuck());
    if (leave && outcome_is_known()) {
      if (Status opened = leave_id(batch_bytes); !opened) return opened;
      ++left;
      began_ns = setup_.clock.monotonic_ns();
    } else {
      setup_.pause();
    }
  }
}

// One ledger entry for each source that the prepared transaction moved, from its confirmed position
// on.
Status TakeOver::ledger_prepared(const std::string& reason, const std::string& detail) {
  const auto prepared = setup_.store.prepared(setup_.options.lane);
  if (!prepared) return prepared.error();
  const auto event = reason == "possible duplicates" ? LedgerEvent::kDoubt : LedgerEvent::kLost;
  std::vector<LedgerEntry> entries;
  for (const auto& moved : prepared.value()) {
    const auto stored = setup_.store.source(moved.source);
    if (!stored) return stored.error();
    const Position start = stored.value() ? stored.value()->state.covered : Position{};
    if (stored.value() && entries.size() < kLogsToldMax) {
      spdlog::warn("{}: log {}, from {} to {}", reason, described(stored.value()->row), start.bytes,
                   moved.state.covered.bytes);
    }
    entries.push_back({.time_ns = setup_.clock.wall_ns(),
                       .source = moved.source,
                       .lane = setup_.options.lane,
                       .start = start,
                       .end = moved.state.covered,
                       .reason = reason,
                       .detail = detail,
                       .event = event});
  }
  if (entries.size() > kLogsToldMax) {
    spdlog::warn("{}: and {} further logs, which the ledger names", reason,
                 entries.size() - kLogsToldMax);
  }
  return entries.empty() ? ledger_lane(event, reason, detail) : setup_.store.append_ledger(entries);
}

// An entry about the whole lane, because it is not known which sources are affected.
Status TakeOver::ledger_lane(LedgerEvent event, const std::string& reason,
                             const std::string& detail) {
  return setup_.store.append_ledger({{.time_ns = setup_.clock.wall_ns(),
                                      .source = {},
                                      .lane = setup_.options.lane,
                                      .start = {},
                                      .end = {},
                                      .reason = reason,
                                      .detail = detail,
                                      .event = event}});
}

// Kafka acknowledged a transaction and lost it before the store confirmed it: our sources are
// ahead.
Status TakeOver::reload_unconfirmed() {
  return delivered_.is_unconfirmed ? sources_.reload() : ok();
}

// Logs the doubt and enters it into the ledger once, however often the rest of the recovery is
// tried.
Status TakeOver::note_doubt(const checkpoint::Recovery& recovery, const char* reason) {
  if (noted_doubt_ == recovery.reason) return ok();
  spdlog::error("lane {}: {}: {}", setup_.options.lane.value, reason, recovery.reason);
  Status noted = ledger_prepared(reason, recovery.reason);
  if (noted && recovery.went_back) {
    noted = ledger_lane(LedgerEvent::kLost, "broker went back", recovery.reason);
  }
  if (noted) noted_doubt_ = recovery.reason;
  return noted;
}

Status TakeOver::apply(const checkpoint::Recovery& recovery) {
  using Action = checkpoint::RecoveryAction;
  const LaneId lane = setup_.options.lane;
  checkpoint::Store& store = setup_.store;
  Status status = ok();
  switch (recovery.action) {
    case Action::kContinue:
      return ok();
    case Action::kCommitOffsetFirst:
      return transaction_.commit_offset_only();
    case Action::kConfirmPrepared:
      status = store.confirm(lane);
      return status ? sources_.reload() : status;
    case Action::kDropPrepared:
      status = store.drop_prepared(lane);
      return status ? reload_unconfirmed() : status;
    case Action::kResendPrepared:
      status = note_doubt(recovery, "possible duplicates");
      if (status) status = store.drop_prepared(lane);
      if (status) status = reload_unconfirmed();
      return status ? transaction_.commit_offset_only() : status;
    case Action::kSkipPrepared:
      status = note_doubt(recovery, "possibly lost");
      if (status) status = store.confirm(lane);
      if (status) status = sources_.reload();
      return status ? transaction_.commit_offset_only() : status;
    case Action::kResendConfirmed:
      status = note_doubt(recovery, "possible duplicates");
      if (status) status = store.step_back(lane);
      return status ? sources_.reload() : status;
    case Action::kSkipConfirmed:
      status = note_doubt(recovery, "possibly lost");
      return status ? transaction_.commit_offset_only() : status;
    case Action::kRestoreOffset:
      status = note_doubt(recovery, "broker went back");
      return status ? transaction_.commit_offset_only() : status;
    case Action::kHalt:
    case Action::kRefuse:
      return Error{ErrorCode::kInvalid, recovery.reason};
  }
  return ok();
}

}  // namespace longshore::agent
