// One life of the agent: the real Discovery, Lane and checkpoint, wired as agent/run/agent.cc and
// agent/run/watch_loop.cc do it, on one thread. The lane runs; the watch loop's turns come whenever
// the lane calls a seam and virtual time goes on.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>

#include "agent/discovery/discovery.h"
#include "agent/lane/lane.h"
#include "agent/link/waiter.h"
#include "tests/simulation/broker.h"
#include "tests/simulation/crashing_store.h"
#include "tests/simulation/watcher.h"

namespace longshore::simulation {

/// A container as Docker tells of it.
struct ContainerView {
  std::string id;
  bool running = false;
  agent::FsSpec fs;
  std::vector<Declaration> declarations;
  /// Streams are files of the host.
  agent::FsSpec host_fs;
};

/// What the agent asks Docker. Thread: the run's.
class DockerView {
 public:
  virtual ~DockerView() = default;
  virtual std::vector<std::string> containers() const = 0;
  /// Null: it is gone.
  virtual const ContainerView* inspect(const std::string& id) const = 0;
};

enum class DockerEvent : uint8_t { kStarted, kDied, kGone };

struct AgentOptions {
  agent::LaneOptions lane;
  int64_t rotate_wait_ns = kSecond;
  uint64_t boot = 1;
  uint64_t deleted_bytes_max = UINT64_MAX;
  std::string host_root;
  std::vector<Declaration> host_sources;
  WatcherFaults watcher;
  StoreFaults store;
  int64_t docker_late_ns_max = 20 * kMs;
  size_t turn_steps = SIZE_MAX;  ///< Of a scan, in one turn of the watch loop.
};

/// Thread: the run's.
class AgentLife final : private agent::Waiter {
 public:
  AgentLife(AgentOptions options, Timeline& timeline, checkpoint::Store& durable, Broker& broker,
            const DockerView& docker, const agent::HostMounts& mounts,
            std::function<void(uint64_t)> on_opened);

  /// Until the lane stops by itself or is told to. Throws Crash.
  agent::LaneStopped run();

  Watcher& watcher() { return watcher_; }
  bool has_opened(uint64_t inode) const { return opened_.contains(inode); }
  void docker_event(DockerEvent event, const std::string& container);
  /// The watch loop does nothing for so long.
  void stall(int64_t ns) { stalled_until_ = timeline_.now() + ns; }
  void stop() { inbox_.post(agent::StopLane{}); }

 private:
  void wait(int64_t until_ns, std::span<const int> readable) override;
  void in_watch_loop(int64_t when, std::function<void()> what);
  void start();
  void reconcile();
  void settle();
  void tell_start();
  void take_outbox();
  void sweep();
  void on_container(const std::string& id);
  void post(agent::ToLane message);

  const AgentOptions options_;
  Timeline& timeline_;
  const DockerView& docker_;
  const std::function<void(uint64_t)> on_opened_;
  CrashingStore store_;
  Watcher watcher_;
  agent::Destinations destinations_;
  agent::Sources sources_;
  agent::Mailbox<agent::ToLane> inbox_;
  agent::Mailbox<agent::ToWatch> outbox_;
  agent::LaneProgress progress_;
  agent::Lane lane_;
  agent::Discovery discovery_;
  std::set<uint64_t> opened_;
  std::optional<agent::LaneStopped> stopped_;
  int64_t stalled_until_ = 0;
  int64_t docker_told_ = 0;
  int64_t settles_at_ = 0;
  const int64_t started_ns_;
  bool reconciled_ = false, vanished_looked_for_ = false, start_told_ = false;
  int64_t waited_at_ = 0;
  int spins_ = 0;
};

}  // namespace longshore::simulation
