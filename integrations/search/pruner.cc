#include "integrations/search/pruner.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <utility>

namespace longshore::search {
namespace {

constexpr std::chrono::minutes kInterval(60), kAfterError(1);

}  // namespace

Pruner::Pruner(KeepOptions keep, const SearchOptions& search, const Clock& clock,
               kafka::Complaints& complaints)
    : keep_(std::move(keep)),
      complaints_(complaints),
      node_(search, &ending_),
      old_(keep_, clock, node_),
      thread_([this] { run(); }) {}

Pruner::~Pruner() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

void Pruner::run() {
  std::unique_lock lock(mutex_);
  while (!ending_) {
    lock.unlock();
    const Status pruned = prune();
    if (!pruned && !ending_) {
      complaints_.add(
          fmt::format("indices older than --keep were not deleted: {}", pruned.error().message));
    }
    lock.lock();
    changed_.wait_for(lock, pruned ? kInterval : kAfterError, [this] { return ending_.load(); });
  }
}

Status Pruner::prune() {
  const auto found = old_.find();
  if (!found) return found.error();
  Status first = ok();
  for (const std::string& name : *found) {
    if (ending_) break;
    if (Status removed = old_.remove(name); removed) {
      spdlog::info("deleted index {}: all of it is older than --keep {}d", name, keep_.days);
    } else if (first) {
      first = removed;
    }
  }
  return first;
}

}  // namespace longshore::search
