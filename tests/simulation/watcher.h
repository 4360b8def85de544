// inotify as the simulation has it: events come late, twice, in another order, or never, and the
// queue overflows.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <string>

#include "agent/files/inotify.h"
#include "tests/simulation/timeline.h"
#include "tests/simulation/virtual_files.h"

namespace longshore::simulation {

struct WatcherFaults {
  double lost = 0, twice = 0, late = 0;
  int64_t late_ns_max = 0;
};

/// Thread: the run's. One a life of the agent.
class Watcher final : public agent::DirectoryWatcher {
 public:
  /// `due` is called with the time at which something can be read.
  Watcher(Timeline& timeline, WatcherFaults faults, std::function<void(int64_t)> due)
      : timeline_(timeline), faults_(faults), due_(std::move(due)) {}

  Result<int> watch(const Fd& directory) override;
  void unwatch(int watch) override;

  /// The kernel's side.
  void happened(const std::string& directory, agent::DirectoryEvent::Kind kind,
                const std::string& name, uint32_t cookie = 0, bool arrived = false);
  void overflow();
  /// What is due, as Inotify::read() gives it.
  void read(const std::function<void(const agent::DirectoryEvent&)>& visit);

 private:
  struct Queued {
    int64_t due;
    agent::DirectoryEvent event;
    std::string name;
  };
  void push(const Queued& queued);

  Timeline& timeline_;
  const WatcherFaults faults_;
  const std::function<void(int64_t)> due_;
  std::map<VirtualFiles::Key, int> watches_;
  int next_watch_ = 1;
  std::deque<Queued> queue_;
};

}  // namespace longshore::simulation
