#include "agent/command/checkpoint_adopt.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>

namespace longshore::agent {
namespace {

constexpr int kCallTimeoutMs = 5000;
constexpr int kCallTries = 6;
constexpr timespec kPause{.tv_sec = 0, .tv_nsec = 200'000'000};

// Retries: the brokers may be electing a leader, or a transaction may still be pending.
template <typename Ask>
auto ask_patiently(const Ask& ask) {
  for (int tries = 1;; ++tries) {
    auto answer = ask();
    if (answer || tries == kCallTries) return answer;
    const ErrorCode code = answer.error().code;
    if (code != ErrorCode::kRetryable && code != ErrorCode::kUndecided) return answer;
    ::nanosleep(&kPause, nullptr);
  }
}

Result<checkpoint::CommittedOffset> ask_kafka(LaneId lane, checkpoint::Store& store,
                                              shipper::Kafka& kafka) {
  const auto host = store.value("host_id");
  if (!host) return host.error();
  const auto cluster = store.value("cluster_id");
  if (!cluster) return cluster.error();
  const auto there = ask_patiently([&] { return kafka.cluster_id(kCallTimeoutMs); });
  if (!there) return invalid("Kafka does not answer: " + there.error().message);
  if (!cluster.value().empty() && cluster.value() != there.value()) {
    return invalid("The checkpoint belongs to the Kafka cluster " + cluster.value() +
                   ", but these brokers belong to cluster " + there.value() +
                   ": give the right --brokers, or start the agent with --new-cluster=continue or "
                   "--new-cluster=restart. Nothing was changed.");
  }
  const std::string group = lane_group(host.value(), lane);
  const auto offset = ask_patiently([&] { return kafka.committed(group, true, kCallTimeoutMs); });
  if (!offset) return invalid("Kafka does not answer: " + offset.error().message);
  checkpoint::CommittedOffset committed;
  if (offset.value().known) committed.number = offset.value().number;
  committed.digest = offset.value().digest;
  return committed;
}

// Adds one ledger entry for each source before anything changes: bytes after its position may
// already be in Kafka.
Status ledger_adoption(checkpoint::Store& store, LaneId lane, int64_t now_ns,
                       const std::string& detail) {
  const auto sources = store.sources(lane);
  if (!sources) return sources.error();
  std::vector<LedgerEntry> entries;
  const auto add = [&](SourceId source, Position from) {
    entries.push_back({.time_ns = now_ns,
                       .source = source,
                       .lane = lane,
                       .start = from,
                       .end = from,
                       .reason = "possible duplicates",
                       .detail = detail,
                       .event = LedgerEvent::kDoubt});
  };
  for (const auto& source : sources.value()) add(source.row.id, source.state.covered);
  if (entries.empty()) add(SourceId{}, Position{});
  return store.append_ledger(entries);
}

}  // namespace

Result<std::string> adopt_lane(LaneId lane, checkpoint::Store& store, shipper::Kafka& kafka,
                               const Clock& clock) {
  const auto lanes = store.lanes();
  if (!lanes) return lanes.error();
  if (std::ranges::find(lanes.value(), lane) == lanes.value().end()) {
    return invalid(fmt::format(
        "The checkpoint has no lane {}: 'longshore checkpoint ls' lists its lanes.", lane.value));
  }
  const auto record = store.lane(lane);
  if (!record) return record.error();
  const auto committed = ask_kafka(lane, store, kafka);
  if (!committed) return committed.error();
  const auto recovery = checkpoint::recover(record.value(), committed.value(), InDoubt::kResend);
  if (recovery.action != checkpoint::RecoveryAction::kRefuse) {
    return fmt::format("Lane {} needs no adoption: {} Start the agent. Nothing was changed.\n",
                       lane.value, recovery.reason);
  }
  const std::string detail =
      fmt::format("adopted Kafka's transaction {} in place of {}", committed.value().number->value,
                  record.value().confirmed.value);
  if (Status noted = ledger_adoption(store, lane, clock.wall_ns(), detail); !noted) {
    return noted.error();
  }
  if (Status taken = store.adopt(lane, committed.value()); !taken) return taken.error();
  return fmt::format(
      "Lane {}: {}. Its sources continue at their local positions; the ledger lists the bytes that "
      "may be in Kafka twice ('longshore checkpoint ls --ledger').\n",
      lane.value, detail);
}

}  // namespace longshore::agent
