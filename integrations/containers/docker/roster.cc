#include "integrations/containers/docker/roster.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

namespace longshore::docker {
namespace {

constexpr int kFailuresMax = 5;

}  // namespace

bool Roster::on_event(const Event& event) {
  if (event.kind == Event::Kind::kOther) return true;
  const std::string& id = event.container_id;
  auto found = entries_.find(id);
  if (found == entries_.end()) {
    // Of a container that was never told of, its removal says nothing new.
    if (event.kind == Event::Kind::kRemoved) return true;
    if (entries_.size() >= kContainersMax) return false;
    found = entries_.emplace(id, Entry()).first;
  }
  Entry& entry = found->second;
  entry.touched = true;
  entry.failures = 0;
  switch (event.kind) {
    case Event::Kind::kStarted:
      // Behind an end that is not told yet, the start has to wait as well.
      if (entry.steps.empty() || entry.steps.front() != Step::kDied) {
        entry.started = true;
        want_inspect(id, entry, Step::kInspect);
      } else {
        want_inspect(id, entry, Step::kStart);
      }
      break;
    case Event::Kind::kDied:
      died(id, entry);
      break;
    case Event::Kind::kRemoved:
      removed(id, entry);
      break;
    default:
      want_inspect(id, entry, Step::kInspect);
  }
  return true;
}

void Roster::enqueue(const std::string& id, Entry& entry, bool urgent) {
  if (entry.queued && *entry.queued > 0) return;
  dequeue(entry);
  entry.failed = false;
  entry.queued = urgent ? ++urgent_key_ : --backlog_key_;
  queue_.emplace(*entry.queued, id);
}

void Roster::dequeue(Entry& entry) {
  if (!entry.queued) return;
  queue_.erase(*entry.queued);
  entry.queued.reset();
}

void Roster::want_inspect(const std::string& id, Entry& entry, Step step) {
  if (!entry.under_way) enqueue(id, entry, true);
  if (entry.steps.empty()) {
    if (entry.under_way) entry.steps.push_back(step);
  } else if (entry.steps.back() == Step::kDied) {
    entry.steps.push_back(step);
  } else if (step == Step::kStart && entry.steps.back() == Step::kInspect) {
    entry.steps.back() = step;
  }
}

// The scan at a container's end is urgent: its files vanish within milliseconds, and Docker answers
// an inspect that was asked for at its start only after that. So an inspect is awaited only where
// the listener would not know what ended.
void Roster::died(const std::string& id, Entry& entry) {
  const bool known = entry.told && !entry.ended;
  if (entry.under_way && !known) {
    while (!entry.steps.empty() && entry.steps.back() != Step::kDied) entry.steps.pop_back();
    if (entry.steps.empty()) entry.steps.push_back(Step::kDied);
    return;
  }
  if (!entry.told) {
    entry.steps = {Step::kDied};
    enqueue(id, entry, true);
    return;
  }
  entry.outdated = entry.under_way;
  entry.steps.clear();
  if (!entry.backlog) dequeue(entry);
  if (!entry.ended || entry.started) tell_died(id, entry);
}

void Roster::removed(const std::string& id, Entry& entry) {
  if (entry.under_way && !entry.told) {
    if (entry.steps.empty() || entry.steps.back() != Step::kGone)
      entry.steps.push_back(Step::kGone);
    return;
  }
  if (entry.told && !entry.steps.empty() && entry.steps.front() == Step::kDied)
    tell_died(id, entry);
  erase(id);
}

void Roster::tell_died(const std::string& id, Entry& entry) {
  entry.alive = entry.started = false;
  entry.ended = true;
  listener_.on_died(id);
}

void Roster::erase(const std::string& id) {
  const auto found = entries_.find(id);
  Entry& entry = found->second;
  dequeue(entry);
  const bool was_backlog = std::exchange(entry.backlog, false);
  if (was_backlog) --backlog_;
  entries_.erase(found);
  listener_.on_gone(id);
  if (was_backlog) say_reconciled();
}

void Roster::expect_list() {
  for (auto& [id, entry] : entries_) entry.touched = false;
}

size_t Roster::on_list(const std::vector<Listed>& listed) {
  size_t ignored = 0;
  reconciling_ = true;
  backlog_ = 0;
  std::unordered_set<std::string_view> there;
  for (const Listed& container : listed) {
    const auto found = entries_.find(container.id);
    if (found == entries_.end() && entries_.size() >= kContainersMax) {
      ++ignored;
      continue;
    }
    there.insert(container.id);
    Entry& entry = entries_[container.id];
    if (!std::exchange(entry.backlog, true)) ++backlog_;
    // What an event said since is newer.
    entry.listed_ended = container.ended && !entry.touched;
    if (!entry.under_way) enqueue(container.id, entry, false);
  }
  std::vector<std::string> lost;
  for (const auto& [id, entry] : entries_) {
    if (!entry.touched && !there.contains(id)) lost.push_back(id);
  }
  for (const std::string& id : lost) removed(id, entries_.at(id));
  say_reconciled();
  return ignored;
}

std::optional<std::string> Roster::next_inspect() {
  if (queue_.empty()) return std::nullopt;
  const auto last = std::prev(queue_.end());
  std::string id = std::move(last->second);
  queue_.erase(last);
  Entry& entry = entries_.at(id);
  entry.queued.reset();
  entry.under_way = true;
  return id;
}

void Roster::on_inspected(Container container) {
  const std::string id = container.id;
  const auto found = entries_.find(id);
  if (found == entries_.end() || !found->second.under_way) return;
  Entry& entry = found->second;
  entry.under_way = false;
  entry.failures = 0;
  if (std::exchange(entry.outdated, false)) {
    finish_backlog(entry);
    run_steps(id);
    return;
  }
  // Inspect may be ahead of the events: a container that started and ended meanwhile runs until its
  // on_died(), which follows.
  if (entry.started) container.running = true;
  const bool was_alive = std::exchange(entry.alive, container.running);
  if (container.running) entry.ended = false;
  entry.told = true;
  listener_.on_container(container);
  // Its end came while nobody listened.
  if (entry.backlog && !container.running && (was_alive || entry.listed_ended) && !entry.ended &&
      entry.steps.empty())
    entry.steps.push_back(Step::kDied);
  entry.listed_ended = false;
  finish_backlog(entry);
  run_steps(id);
}

void Roster::finish_backlog(Entry& entry) {
  if (!std::exchange(entry.backlog, false)) return;
  --backlog_;
}

void Roster::run_steps(const std::string& id) {
  Entry& entry = entries_.at(id);
  const std::vector<Step> steps = std::exchange(entry.steps, {});
  for (const Step step : steps) {
    if (step == Step::kGone) {
      erase(id);
      break;
    }
    if (step == Step::kDied) {
      tell_died(id, entry);
      continue;
    }
    if (step == Step::kStart) entry.started = true;
    enqueue(id, entry, true);
  }
  say_reconciled();
}

void Roster::on_missing(const std::string& id) {
  const auto found = entries_.find(id);
  if (found == entries_.end()) return;
  Entry& entry = found->second;
  entry.under_way = false;
  if (entry.told && !entry.steps.empty() && entry.steps.front() == Step::kDied)
    tell_died(id, entry);
  erase(id);
}

bool Roster::on_failed(const std::string& id, bool try_again) {
  const auto found = entries_.find(id);
  if (found == entries_.end()) return false;
  Entry& entry = found->second;
  entry.under_way = entry.outdated = false;
  finish_backlog(entry);
  entry.failed = try_again && ++entry.failures <= kFailuresMax;
  const bool retried = entry.failed;
  const bool gone = !entry.steps.empty() && entry.steps.back() == Step::kGone;
  if (retried && !entry.told && !gone) {
    say_reconciled();
  } else {
    run_steps(id);
  }
  return retried;
}

void Roster::retry_failed() {
  for (auto& [id, entry] : entries_) {
    if (entry.failed) enqueue(id, entry, false);
  }
}

void Roster::on_disconnected() {
  queue_.clear();
  reconciling_ = false;
  backlog_ = 0;
  for (auto& [id, entry] : entries_) {
    const std::vector<Step> steps = std::exchange(entry.steps, {});
    entry.queued.reset();
    entry.under_way = entry.outdated = entry.failed = entry.backlog = entry.listed_ended = false;
    entry.failures = 0;
    // The list that follows the next connection tells of the others.
    if (entry.told && !steps.empty() && steps.front() == Step::kDied) tell_died(id, entry);
    entry.alive = entry.alive || entry.started;
    entry.started = false;
  }
}

void Roster::say_reconciled() {
  if (reconciling_ && backlog_ == 0) {
    reconciling_ = false;
    listener_.on_reconciled();
  }
}

}  // namespace longshore::docker
