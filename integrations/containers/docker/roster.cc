#include "integrations/containers/docker/roster.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "config/limits.h"

namespace longshore::docker {

bool Roster::on_event(const Event& event) {
  if (event.kind == Event::Kind::kOther) return true;
  const std::string& id = event.container_id;
  auto found = entries_.find(id);
  if (found == entries_.end()) {
    // If a container was never reported, its removal is not reported either.
    if (event.kind == Event::Kind::kRemoved) return true;
    if (entries_.size() >= limits::kContainersMax) return false;
    found = entries_.emplace(id, Entry()).first;
  }
  Entry& entry = found->second;
  entry.touched = true;
  entry.failures = 0;
  switch (event.kind) {
    case Event::Kind::kStarted:
      // An end that is not reported yet comes first.
      if (entry.owes_died()) {
        want_inspect(id, entry, Step::kStart);
      } else {
        entry.started = true;
        want_inspect(id, entry, Step::kInspect);
      }
      break;
    case Event::Kind::kDied:
      entry.died_ns = event.time_nano;
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
  if (entry.inspect == Inspect::kQueued && entry.queue_key > 0) return;  // Urgent already.
  dequeue(entry);
  entry.inspect = Inspect::kQueued;
  entry.queue_key = urgent ? ++urgent_key_ : --backlog_key_;
  queue_.emplace(entry.queue_key, id);
}

void Roster::dequeue(Entry& entry) {
  if (entry.inspect != Inspect::kQueued) return;
  queue_.erase(entry.queue_key);
  entry.inspect = Inspect::kNone;
}

void Roster::want_inspect(const std::string& id, Entry& entry, Step step) {
  const bool under_way = entry.is_under_way();
  if (!under_way) enqueue(id, entry, true);
  if (entry.steps.empty()) {
    if (under_way) entry.steps.push_back(step);
  } else if (entry.steps.back() == Step::kDied) {
    entry.steps.push_back(step);
  } else if (step == Step::kStart && entry.steps.back() == Step::kInspect) {
    entry.steps.back() = step;
  }
}

// A container's files vanish within milliseconds of its end, and Docker answers an inspect that was
// requested at its start only after that. So on_died() waits for an inspect only if the listener
// does not know the container yet.
void Roster::died(const std::string& id, Entry& entry) {
  const bool known = entry.life == Life::kDown || entry.life == Life::kUp;
  if (entry.is_under_way() && !known) {
    while (!entry.steps.empty() && entry.steps.back() != Step::kDied) entry.steps.pop_back();
    if (entry.steps.empty()) entry.steps.push_back(Step::kDied);
    return;
  }
  if (!entry.is_told()) {
    entry.steps = {Step::kDied};
    enqueue(id, entry, true);
    return;
  }
  if (entry.is_under_way()) entry.inspect = Inspect::kOutdated;
  entry.steps.clear();
  if (entry.listing == Listing::kNone) dequeue(entry);
  if (known || entry.started) tell_died(id, entry);
}

void Roster::removed(const std::string& id, Entry& entry) {
  if (entry.is_under_way() && !entry.is_told()) {
    if (entry.steps.empty() || entry.steps.back() != Step::kGone)
      entry.steps.push_back(Step::kGone);
    return;
  }
  if (entry.is_told() && entry.owes_died()) tell_died(id, entry);
  erase(id);
}

void Roster::tell_died(const std::string& id, Entry& entry) {
  entry.started = false;
  entry.life = entry.is_told() ? Life::kDied : Life::kUntold;
  listener_.on_died(id, std::exchange(entry.died_ns, 0));
}

void Roster::erase(const std::string& id) {
  const auto found = entries_.find(id);
  Entry& entry = found->second;
  dequeue(entry);
  const bool was_listed = finish_listing(entry);
  entries_.erase(found);
  listener_.on_gone(id);
  if (was_listed) report_reconciled();
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
    if (found == entries_.end() && entries_.size() >= limits::kContainersMax) {
      ++ignored;
      continue;
    }
    there.insert(container.id);
    Entry& entry = entries_[container.id];
    if (entry.listing == Listing::kNone) ++backlog_;
    // An event since the request is newer than the list.
    entry.listing = container.ended && !entry.touched ? Listing::kListedEnded : Listing::kListed;
    if (!entry.is_under_way()) enqueue(container.id, entry, false);
  }
  std::vector<std::string> lost;
  for (const auto& [id, entry] : entries_) {
    if (!entry.touched && !there.contains(id)) lost.push_back(id);
  }
  for (const std::string& id : lost) removed(id, entries_.at(id));
  report_reconciled();
  return ignored;
}

std::optional<std::string> Roster::next_inspect() {
  if (queue_.empty()) return std::nullopt;
  const auto last = std::prev(queue_.end());
  std::string id = std::move(last->second);
  queue_.erase(last);
  Entry& entry = entries_.at(id);
  entry.inspect = Inspect::kUnderWay;
  return id;
}

void Roster::on_inspected(Container container) {
  const std::string id = container.id;
  const auto found = entries_.find(id);
  if (found == entries_.end() || !found->second.is_under_way()) return;
  Entry& entry = found->second;
  entry.failures = 0;
  if (std::exchange(entry.inspect, Inspect::kNone) == Inspect::kOutdated) {
    finish_listing(entry);
    run_steps(id);
    return;
  }
  // The answer may be newer than the events: a container that has started and ended since is
  // reported as running until its on_died(), which follows.
  if (entry.started) container.running = true;
  const bool was_up = entry.life == Life::kUp || entry.life == Life::kUntoldStarted;
  if (container.running) {
    entry.life = Life::kUp;
  } else if (entry.life != Life::kDied) {
    entry.life = Life::kDown;
  }
  listener_.on_container(container);
  // It ended while the connection was lost.
  const bool ended = was_up || entry.listing == Listing::kListedEnded;
  if (entry.listing != Listing::kNone && entry.life == Life::kDown && ended && entry.steps.empty())
    entry.steps.push_back(Step::kDied);
  finish_listing(entry);
  run_steps(id);
}

// Returns whether the container was still part of the backlog.
bool Roster::finish_listing(Entry& entry) {
  if (std::exchange(entry.listing, Listing::kNone) == Listing::kNone) return false;
  --backlog_;
  return true;
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
  report_reconciled();
}

void Roster::on_missing(const std::string& id) {
  const auto found = entries_.find(id);
  if (found == entries_.end()) return;
  Entry& entry = found->second;
  entry.inspect = Inspect::kNone;
  if (entry.is_told() && entry.owes_died()) tell_died(id, entry);
  erase(id);
}

bool Roster::on_failed(const std::string& id, bool try_again) {
  const auto found = entries_.find(id);
  if (found == entries_.end()) return false;
  Entry& entry = found->second;
  finish_listing(entry);
  const bool retried = try_again && ++entry.failures <= limits::kInspectFailuresMax;
  entry.inspect = retried ? Inspect::kFailed : Inspect::kNone;
  const bool gone = !entry.steps.empty() && entry.steps.back() == Step::kGone;
  if (retried && !entry.is_told() && !gone) {
    report_reconciled();
  } else {
    run_steps(id);
  }
  return retried;
}

void Roster::retry_failed() {
  for (auto& [id, entry] : entries_) {
    if (entry.inspect == Inspect::kFailed) enqueue(id, entry, false);
  }
}

void Roster::on_disconnected() {
  queue_.clear();
  reconciling_ = false;
  backlog_ = 0;
  for (auto& [id, entry] : entries_) {
    // The list that follows the next connection shows how the others ended.
    if (entry.is_told() && entry.owes_died()) tell_died(id, entry);
    entry.steps.clear();
    entry.inspect = Inspect::kNone;
    entry.listing = Listing::kNone;
    entry.failures = 0;
    if (!std::exchange(entry.started, false)) continue;
    if (entry.life == Life::kUntold) entry.life = Life::kUntoldStarted;
    if (entry.life == Life::kDown) entry.life = Life::kUp;
  }
}

void Roster::report_reconciled() {
  if (reconciling_ && backlog_ == 0) {
    reconciling_ = false;
    listener_.on_reconciled();
  }
}

}  // namespace longshore::docker
