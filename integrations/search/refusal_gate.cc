#include "integrations/search/refusal_gate.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

namespace longshore::search {
namespace {

constexpr uint64_t kRefusedMin = 100;
constexpr int64_t kHalfNs = 30'000'000'000;

// "mapper_parsing_exception: failed to parse..."
std::string type_of(const Rejection& rejection) {
  return rejection.reason.substr(0, rejection.reason.find(':'));
}

// What was never sent, and what is too large, is a document's own matter.
bool is_judged(const Rejection& rejection) {
  return rejection.status >= 400 && rejection.status != 413;
}

}  // namespace

void RefusalGate::turn(Window& window) const {
  const int64_t half = clock_.monotonic_ns() / kHalfNs;
  if (half == window.half) return;
  window.counts[1] = half == window.half + 1 ? std::move(window.counts[0]) : Counts();
  window.counts[0] = Counts();
  window.half = half;
}

void RefusalGate::count(Bulk& bulk) {
  std::vector<bool> is_accepted(bulk.items.size(), true);
  for (const auto* list : {&bulk.rejections, &bulk.parked}) {
    for (const Rejection& one : *list) is_accepted[one.item] = false;
  }
  const std::string* topic = nullptr;
  Window* window = nullptr;
  const auto window_of = [&](const BulkItem& item) -> Window& {
    if (topic != &bulk.topic_of(item)) {
      topic = &bulk.topic_of(item);
      window = &topics_[*topic];
      turn(*window);
    }
    return *window;
  };
  for (size_t i = 0; i < bulk.items.size(); ++i) {
    const bool is_sent = bulk.items[i].action != bulk.items[i].end;
    if (is_accepted[i] && is_sent && !bulk.is_held(bulk.items[i]))
      window_of(bulk.items[i]).counts[0].accepted += 1;
  }
  for (const Rejection& rejection : bulk.rejections) {
    if (!is_judged(rejection)) continue;
    const BulkItem& item = bulk.items[rejection.item];
    Refused& refused = window_of(item).counts[0].refused[type_of(rejection)];
    const std::string_view key = bulk.key_of(item);
    if (refused.count++ == 0) refused.key = key;
    refused.several = refused.several || key.empty() || key != refused.key;
  }
}

// Why documents of this topic that were refused for this reason wait; empty if they do not.
std::string RefusalGate::held(const std::string& topic, const std::string& type) const {
  const Window& window = topics_.at(topic);
  uint64_t all = 0, refused = 0, accepted = 0;
  bool several = false;
  const std::string* key = nullptr;
  for (const Counts& counts : window.counts) {
    accepted += counts.accepted;
    all += counts.accepted;
    for (const auto& [name, one] : counts.refused) {
      all += one.count;
      if (name != type) continue;
      refused += one.count;
      several = several || one.several || (key && *key != one.key);
      key = &one.key;
    }
  }
  if (refused < kRefusedMin || refused * 100 <= all * static_cast<uint64_t>(percent_max_))
    return {};
  if (!several && accepted > 0) return {};
  return fmt::format(
      "{} of {} documents of the last minute were refused, more than {} %, as if the service or "
      "its "
      "mapping were wrong: mend that, or have them put aside with --refused-within 100; the last "
      "reason: ",
      refused, all, percent_max_);
}

void RefusalGate::hold(Bulk& bulk) {
  if (percent_max_ >= 100) return;
  const std::lock_guard lock(mutex_);
  count(bulk);
  std::map<std::pair<std::string, std::string>, std::string> reasons;
  std::erase_if(bulk.rejections, [&](const Rejection& rejection) {
    if (!is_judged(rejection)) return false;
    const std::pair key(bulk.topic_of(bulk.items[rejection.item]), type_of(rejection));
    const auto [at, fresh] = reasons.try_emplace(key);
    if (fresh) at->second = held(key.first, key.second);
    if (at->second.empty()) return false;
    bulk.parked.push_back({rejection.item, rejection.status, at->second + rejection.reason});
    return true;
  });
}

}  // namespace longshore::search
