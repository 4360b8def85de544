#include "agent/run/agent.h"

#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <set>
#include <thread>

#include "agent/lane/lane.h"
#include "agent/run/watch_loop.h"
#include "checkpoint/state_dir.h"
#include "checkpoint/store.h"
#include "config/limits.h"
#include "shipper/kafka/client.h"

namespace longshore::agent {
namespace {

constexpr int64_t kGatherMaxMs = 50;  // Writes are gathered for so long before lanes are told.

// A lane with everything its thread owns.
struct LaneRig {
  explicit LaneRig(const Clock& clock) : waiter(clock) {}
  std::unique_ptr<checkpoint::Store> store;
  std::unique_ptr<shipper::Kafka> kafka;
  std::unique_ptr<Destinations> destinations;
  std::unique_ptr<Sources> sources;
  SystemWaiter waiter;
  Mailbox<ToLane> inbox;
  LaneProgress progress;
  std::unique_ptr<Lane> lane;
  std::thread thread;
};

// Takes as many descriptors as the hard limit allows: a log file holds one until its end is
// confirmed.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

// What the checkpoint knew when the agent started.
struct Known {
  std::string host_id;
  std::string cluster_id;
  uint32_t lanes = 1;  // Those that are asked for, and those of the checkpoint.
  bool first_start = false;
  Boots boots;
  int64_t alive_ns = 0;  // Everything before that time was seen.
  std::vector<checkpoint::StoredSource> sources;
  std::vector<checkpoint::PreparedSource> prepared;
  std::vector<LedgerEntry> ledger;
};

LaneOptions lane_options(const AgentSettings& settings, LaneId lane, const Known& known) {
  return {.lane = lane,
          .host_id = known.host_id,
          .cluster_id = known.cluster_id,
          .default_topic = settings.topic,
          .ledger_topic = settings.ledger_topic,
          .exactly_once = settings.delivery == Delivery::kExactlyOnce,
          .once = settings.once,
          .create_topics = settings.create_topics,
          .topic_replicas = settings.topic_replicas,
          .linger_ns = settings.linger_ms * limits::kMs,
          .batch_bytes = settings.batch_bytes,
          .in_doubt = settings.in_doubt,
          .new_cluster = settings.new_cluster,
          .retention_ns = settings.retention_hours * 3600 * 1000 * limits::kMs};
}

Status wire_lane(LaneRig& rig, const AgentSettings& settings, const std::string& state_dir,
                 LaneId lane, const Known& known, const Clock& clock, Mailbox<ToWatch>& to_watch) {
  auto store = checkpoint::open_store(state_dir);
  if (!store) return store.error();
  rig.store = std::move(store).value();
  rig.kafka = shipper::make_kafka_client(settings.brokers, settings.kafka);
  rig.destinations = std::make_unique<Destinations>(
      DestinationOptions{.host_id = known.host_id,
                         .partitions_per_host = settings.partitions_per_host,
                         .create_topics = settings.create_topics,
                         .topic_partitions = settings.topic_partitions,
                         .topic_replicas = settings.topic_replicas},
      *rig.kafka);
  rig.sources = std::make_unique<Sources>(
      SourcesOptions{.host_name = settings.host_name,
                     .rotate_wait_ns = settings.rotate_wait_ms * limits::kMs,
                     .boots = known.boots,
                     .ledger = !settings.ledger_topic.empty()},
      *rig.store, clock);
  rig.lane = std::make_unique<Lane>(LaneSetup{.options = lane_options(settings, lane, known),
                                              .store = *rig.store,
                                              .kafka = *rig.kafka,
                                              .clock = clock,
                                              .waiter = rig.waiter,
                                              .inbox = rig.inbox,
                                              .outbox = to_watch,
                                              .progress = rig.progress},
                                    *rig.sources, *rig.destinations);
  return ok();
}

Result<Known> read_known(const AgentSettings& settings, const std::string& state_dir) {
  auto opened = checkpoint::open_store(state_dir);
  if (!opened) return opened.error();
  checkpoint::Store& store = *opened.value();
  auto host_id = checkpoint::host_id(store);
  if (!host_id) return host_id.error();
  auto cluster_id = store.value("cluster_id");
  if (!cluster_id) return cluster_id.error();
  const auto alive = checkpoint::last_alive(store, SystemClock().wall_ns());
  if (!alive) return alive.error();
  const auto boots = checkpoint::note_boot(store, this_boot());
  if (!boots) return boots.error();
  auto lanes = store.lanes();
  if (!lanes) return lanes.error();
  Known known{.host_id = host_id.value(),
              .cluster_id = cluster_id.value(),
              .lanes = settings.lanes,
              .first_start = lanes.value().empty(),
              .boots = boots.value(),
              .alive_ns = alive.value(),
              .sources = {},
              .prepared = {},
              .ledger = {}};
  auto ledger = store.ledger();
  if (!ledger) return ledger.error();
  known.ledger = std::move(ledger).value();
  for (const LaneId lane : lanes.value()) {
    known.lanes = std::max(known.lanes, lane.value + 1);
    auto sources = store.sources(lane);
    if (!sources) return sources.error();
    std::move(sources.value().begin(), sources.value().end(), std::back_inserter(known.sources));
    auto prepared = store.prepared(lane);
    if (!prepared) return prepared.error();
    std::ranges::move(*prepared, std::back_inserter(known.prepared));
  }
  return known;
}

WatchOptions watch_options(const AgentSettings& settings) {
  return {.docker_socket = settings.docker_socket,
          .host_root = settings.host_root,
          .prefixes = settings.prefixes,
          .allowed_topics = settings.allow_topic,
          .default_topic = settings.topic,
          .ledger_topic = settings.ledger_topic,
          .host_sources = settings.sources,
          .sweep_ms = settings.sweep_ms,
          .gather_ms = std::min(settings.linger_ms / 20, kGatherMaxMs)};
}

// Tells the lanes to finish and waits for them, but not for a call into librdkafka that ignores its
// time-out: leaving it behind is like a kill -9, and the next start handles that.
void stop_lanes(std::vector<std::unique_ptr<LaneRig>>& rigs, Mailbox<ToWatch>& from_lanes,
                std::vector<LaneStopped>& stopped, const Clock& clock) {
  for (auto& rig : rigs) rig->inbox.post(StopLane{});
  const int64_t until = clock.monotonic_ns() + limits::kStopWaitMs * limits::kMs;
  while (stopped.size() < rigs.size() && clock.monotonic_ns() < until) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    for (ToWatch& message : from_lanes.take()) {
      auto* lane = std::get_if<LaneStopped>(&message);
      if (lane != nullptr) stopped.push_back(std::move(*lane));
    }
  }
  if (stopped.size() < rigs.size()) {
    spdlog::warn(
        "stopped without an answer from Kafka. Nothing is lost: the next start sends again what "
        "Kafka did not confirm.");
    const auto failed = std::ranges::find_if(
        stopped, [](const LaneStopped& each) { return each.exit_status != 0; });
    if (failed != stopped.end()) spdlog::error("{}", failed->message);
    spdlog::shutdown();
    ::_exit(failed == stopped.end() ? 0 : failed->exit_status);
  }
  for (auto& rig : rigs) rig->thread.join();
}

AgentProgress progress_of(const std::vector<std::unique_ptr<LaneRig>>& rigs) {
  AgentProgress sum;
  for (const auto& rig : rigs) {
    sum.sources += rig->progress.sources;
    sum.bytes_read += rig->progress.bytes_read;
    sum.bytes_total += rig->progress.bytes_total;
  }
  return sum;
}

AgentOutcome unusable(const Error& error) {
  return {2, false, error.code == ErrorCode::kRetryable, error.message};
}

// What a program that ran `--once` has to know although every lane did its work.
AgentOutcome outcome_of_once(const WatchResult& result) {
  std::string message;
  for (const std::string& sentence : result.missed) message += sentence + " ";
  if (result.refusals > 0) {
    message += "Not everything was shipped: limits refused files of " +
               std::to_string(result.refusals) + " logs (see above, and the ledger).";
  }
  while (message.ends_with(' ')) message.pop_back();
  return {message.empty() ? 0 : 1, false, false, message};
}

}  // namespace

AgentOutcome run_agent_once(const AgentSettings& settings, const std::string& state_dir,
                            const std::function<void(const AgentProgress&)>& show) {
  const auto known = read_known(settings, state_dir);
  if (!known) return unusable(known.error());
  const auto& [host_id, cluster_id, lanes, first_start, boots, alive_ns, remembered, prepared,
               ledger] = known.value();
  raise_descriptor_limit();
  auto inotify = Inotify::open();
  if (!inotify) return {2, false, false, inotify.error().message};

  const SystemClock clock;
  Mailbox<ToWatch> to_watch;
  std::vector<std::unique_ptr<LaneRig>> rigs;
  for (uint32_t lane = 0; lane < lanes; ++lane) {
    rigs.push_back(std::make_unique<LaneRig>(clock));
    const Status wired =
        wire_lane(*rigs.back(), settings, state_dir, LaneId{lane}, known.value(), clock, to_watch);
    if (!wired) return unusable(wired.error());
  }
  const PostToLane post = [&rigs](LaneId lane, ToLane message) {
    rigs[lane.value]->inbox.post(std::move(message));
  };
  HostMounts mounts(settings.allow_fs);
  Discovery discovery({.host_id = host_id,
                       .host_root = settings.host_root,
                       .lanes = settings.lanes,
                       .alive_ns = alive_ns,
                       .first_start_at_end = first_start && settings.first_start == StartAt::kEnd,
                       .deleted_bytes_max = settings.deleted_bytes},
                      mounts, inotify.value(), post, clock);
  discovery.remember(remembered, ledger, prepared);
  WatchLoop watch(watch_options(settings), discovery, mounts, inotify.value(), to_watch, post,
                  lanes, [&] { show(progress_of(rigs)); });
  spdlog::info("longshore {} host {} lanes {} brokers {} delivery {} state {}", LONGSHORE_VERSION,
               host_id, lanes, settings.brokers,
               settings.delivery == Delivery::kExactlyOnce ? "exactly-once" : "at-least-once",
               state_dir);
  for (auto& rig : rigs) rig->thread = std::thread([&rig] { rig->lane->run(); });
  WatchResult result = watch.run();
  if (result.signalled) spdlog::info("stopping");
  stop_lanes(rigs, to_watch, result.stopped, clock);
  for (const LaneStopped& stopped : result.stopped) {
    if (stopped.exit_status != 0)
      return {stopped.exit_status, stopped.restart, false, stopped.message};
  }
  if (settings.once && !result.signalled) return outcome_of_once(result);
  return {};
}

}  // namespace longshore::agent
