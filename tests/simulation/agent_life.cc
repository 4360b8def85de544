#include "tests/simulation/agent_life.h"

#include <poll.h>

#include <algorithm>
#include <array>
#include <cassert>

#include "checkpoint/state_dir.h"
#include "tests/simulation/log.h"

namespace longshore::simulation {

constexpr int64_t kSweepNs = 5 * kSecond;

AgentLife::AgentLife(AgentOptions options, Timeline& timeline, checkpoint::Store& durable,
                     Broker& broker, const DockerView& docker, const agent::HostMounts& mounts,
                     std::function<void(uint64_t)> on_opened)
    : options_(std::move(options)),
      timeline_(timeline),
      docker_(docker),
      on_opened_(std::move(on_opened)),
      store_(timeline, options_.store, durable),
      watcher_(timeline, options_.watcher,
               [this](int64_t due) {
                 in_watch_loop(due, [this] {
                   watcher_.read([this](const auto& event) { discovery_.on_event(event); });
                   settle();
                 });
               }),
      destinations_({.host_id = kHostId, .create_topics = options_.lane.create_topics}, broker),
      sources_({.host_name = kHostId,
                .rotate_wait_ns = options_.rotate_wait_ns,
                .boots = checkpoint::note_boot(durable, options_.boot).value()},
               store_, timeline),
      lane_({.options = options_.lane,
             .store = store_,
             .kafka = broker,
             .clock = timeline,
             .waiter = *this,
             .inbox = inbox_,
             .outbox = outbox_,
             .progress = progress_},
            sources_, destinations_),
      discovery_(
          {.host_id = kHostId,
           .host_root = options_.host_root,
           .lanes = 1,
           .alive_ns = checkpoint::last_alive(durable, timeline.wall_ns()).value(),
           .first_start_at_end = false,
           .deleted_bytes_max = options_.deleted_bytes_max,
           .turn_steps = options_.turn_steps},
          mounts, watcher_, [this](LaneId, agent::ToLane message) { post(std::move(message)); },
          timeline),
      started_ns_(timeline.wall_ns()) {}

agent::LaneStopped AgentLife::run() {
  timeline_.seam("start");
  const auto known = store_.sources(LaneId{});
  const auto prepared = store_.prepared(LaneId{});
  assert(known && prepared);
  discovery_.remember(known.value(), {}, prepared.value());
  in_watch_loop(timeline_.now(), [this] { start(); });
  in_watch_loop(timeline_.now() + kSweepNs, [this] { sweep(); });
  lane_.run();
  take_outbox();
  assert(stopped_);
  return *stopped_;
}

void AgentLife::post(agent::ToLane message) {
  if (const auto* opened = std::get_if<agent::SourceOpened>(&message)) {
    if (opened->file != nullptr && opened_.insert(opened->file->identity.inode).second) {
      timeline_.trace("watch: opens inode {} of {}{}", opened->file->identity.inode,
                      opened->spec->host_path,
                      opened->step == agent::Step::kAdjacent ? "" : ", gap before");
      on_opened_(opened->file->identity.inode);
    }
  }
  inbox_.post(std::move(message));
}

void AgentLife::in_watch_loop(int64_t when, std::function<void()> what) {
  timeline_.at_in_life(std::max(when, stalled_until_), std::move(what));
}

void AgentLife::start() {
  for (const Declaration& declaration : options_.host_sources) {
    agent::FsSpec fs;
    fs.layers = {"/"};
    fs.layers_are_overlay = false;
    discovery_.declare({}, declaration, std::move(fs));
  }
  int64_t when = timeline_.now();
  for (const std::string& id : docker_.containers()) {
    when += timeline_.random().magnitude(3 * kMs);
    in_watch_loop(when, [this, id] { on_container(id); });
  }
  docker_told_ = std::max(docker_told_, when + 1);
  in_watch_loop(when + 1, [this] { reconcile(); });
}

void AgentLife::reconcile() {
  reconciled_ = true;
  settle();
}

void AgentLife::on_container(const std::string& id) {
  const ContainerView* const container = docker_.inspect(id);
  if (container == nullptr) return;
  if (container->running) discovery_.revived(id);
  for (const Declaration& declaration : container->declarations) {
    const bool is_file = declaration.stream == Stream::kFile;
    discovery_.declare({id, "name-" + id, "image"}, declaration,
                       is_file ? container->fs : container->host_fs);
  }
  if (!container->running && !reconciled_) discovery_.ended(id, started_ns_);
  settle();
}

void AgentLife::docker_event(DockerEvent event, const std::string& container) {
  const int64_t late =
      timeline_.calm() ? kMs : timeline_.random().magnitude(options_.docker_late_ns_max);
  docker_told_ = std::max(docker_told_ + 1, timeline_.now() + late);
  in_watch_loop(docker_told_, [this, event, container, when = timeline_.wall_ns()] {
    if (event == DockerEvent::kStarted) on_container(container);
    if (event == DockerEvent::kDied) discovery_.ended(container, when);
    if (event == DockerEvent::kGone) discovery_.gone(container);
    settle();
  });
}

void AgentLife::take_outbox() {
  for (agent::ToWatch& message : outbox_.take()) {
    if (auto* stopped = std::get_if<agent::LaneStopped>(&message)) {
      stopped_ = std::move(*stopped);
      continue;
    }
    if (const auto* judged = std::get_if<agent::CopyJudged>(&message)) {
      in_watch_loop(timeline_.now() + timeline_.random().magnitude(kMs), [this, judged = *judged] {
        discovery_.copy_judged(judged);
        settle();
      });
      continue;
    }
    const SourceId source = std::get<agent::LookForCopy>(message).source;
    in_watch_loop(timeline_.now() + timeline_.random().magnitude(kMs),
                  [this, source] { discovery_.look_for_copy(source); });
  }
}

void AgentLife::settle() {
  const int64_t next = discovery_.settle();
  tell_start();
  if (next == 0 || (settles_at_ > timeline_.now() && settles_at_ <= next)) return;
  settles_at_ = std::max(next, timeline_.now() + kMs);
  in_watch_loop(settles_at_, [this] { settle(); });
}

void AgentLife::tell_start() {
  if (!reconciled_) return;
  if (!vanished_looked_for_ && discovery_.all_scanned()) {
    vanished_looked_for_ = true;
    discovery_.look_for_vanished();
  }
  if (start_told_ || !discovery_.all_opened()) return;
  start_told_ = true;
  post(agent::StartScanned{});
}

void AgentLife::sweep() {
  discovery_.sweep();
  settle();
  in_watch_loop(timeline_.now() + kSweepNs, [this] { sweep(); });
}

void AgentLife::wait(int64_t until_ns, std::span<const int> readable) {
  timeline_.seam("wait");
  take_outbox();
  // An hour of the processor in one moment is no waiting.
  spins_ = timeline_.now() == waited_at_ ? spins_ + 1 : 0;
  waited_at_ = timeline_.now();
  if (spins_ > 10'000) throw Violation{"the lane spins"};
  std::array<pollfd, 4> waits{};
  for (size_t i = 0; i < readable.size(); ++i) {
    waits[i] = {.fd = readable[i], .events = POLLIN, .revents = 0};
  }
  while (timeline_.now() < until_ns && ::poll(waits.data(), readable.size(), 0) == 0) {
    if (!timeline_.step(until_ns)) return;
  }
}

}  // namespace longshore::simulation
