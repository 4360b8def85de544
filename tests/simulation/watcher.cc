#include "tests/simulation/watcher.h"

#include <algorithm>

namespace longshore::simulation {

using agent::DirectoryEvent;

Result<int> Watcher::watch(const Fd& directory) {
  timeline_.seam("watch");
  const auto key = VirtualFiles::key_of(directory.get());
  const auto [at, added] = watches_.try_emplace(key, next_watch_);
  if (added) ++next_watch_;
  return at->second;
}

void Watcher::unwatch(int watch) {
  std::erase_if(watches_, [watch](const auto& each) { return each.second == watch; });
}

void Watcher::push(const Queued& queued) {
  queue_.push_back(queued);
  due_(queued.due);
}

void Watcher::happened(const std::string& directory, DirectoryEvent::Kind kind,
                       const std::string& name, uint32_t cookie, bool arrived) {
  const auto found = watches_.find(VirtualFiles::key_of(directory));
  if (found == watches_.end()) return;
  Random& random = timeline_.random();
  if (!timeline_.calm() && random.chance(faults_.lost)) {
    timeline_.trace("inotify loses {}", name);
    return;
  }
  Queued queued{.due = timeline_.now() + random.magnitude(kMs),
                .event = {.kind = kind,
                          .watch = found->second,
                          .name = {},
                          .cookie = cookie,
                          .arrived = arrived},
                .name = name};
  if (!timeline_.calm() && random.chance(faults_.late)) {
    queued.due += random.magnitude(faults_.late_ns_max);
  }
  push(queued);
  if (!timeline_.calm() && random.chance(faults_.twice)) {
    queued.due += random.magnitude(kMs);
    push(queued);
  }
  if (kind == DirectoryEvent::Kind::kUnwatched) watches_.erase(found);
}

void Watcher::overflow() {
  queue_.clear();
  Queued queued{.due = timeline_.now() + kMs, .event = {}, .name = {}};
  queued.event.kind = DirectoryEvent::Kind::kOverflow;
  push(queued);
}

void Watcher::read(const std::function<void(const DirectoryEvent&)>& visit) {
  std::deque<Queued> due;
  for (auto at = queue_.begin(); at != queue_.end();) {
    if (at->due > timeline_.now()) {
      ++at;
      continue;
    }
    due.push_back(std::move(*at));
    at = queue_.erase(at);
  }
  for (Queued& queued : due) {
    queued.event.name = queued.name;
    visit(queued.event);
  }
}

}  // namespace longshore::simulation
