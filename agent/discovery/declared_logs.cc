#include "agent/discovery/declared_logs.h"

#include <algorithm>
#include <cassert>

namespace longshore::agent {

void DeclaredLogs::remember(const std::vector<checkpoint::StoredSource>& stored) {
  for (const auto& [row, state] : stored) declared_before_.insert({row.container_id, row.name});
}

DeclaredLog* DeclaredLogs::find(const std::string& container_id, const std::string& name) const {
  const auto found = logs_.find({container_id, name});
  return found == logs_.end() ? nullptr : found->second.get();
}

std::vector<DeclaredLog*> DeclaredLogs::of_container(const std::string& container_id) const {
  std::vector<DeclaredLog*> logs;
  for (auto it = logs_.lower_bound({container_id, ""});
       it != logs_.end() && it->first.first == container_id; ++it) {
    logs.push_back(it->second.get());
  }
  return logs;
}

std::vector<DeclaredLog*> DeclaredLogs::unwatched() const {
  std::vector<DeclaredLog*> logs;
  for (const auto& [key, log] : logs_) {
    if (!log->is_watched) logs.push_back(log.get());
  }
  return logs;
}

bool DeclaredLogs::any_waits() const {
  return std::ranges::any_of(logs_, [](const auto& each) { return each.second->waits; });
}

DeclaredLog& DeclaredLogs::add(const Declarer& who, const Declaration& declaration) {
  auto& log = logs_[{who.container_id, declaration.name}];
  assert(log == nullptr);
  log = std::make_unique<DeclaredLog>();
  log->declaration = std::make_shared<const Declaration>(declaration);
  log->declared_before = declared_before_.contains({who.container_id, declaration.name});
  return *log;
}

void DeclaredLogs::remove(const DeclaredLog& log) {
  logs_.erase(Key(log.who.container_id, log.declaration->name));
}

void DeclaredLogs::mark_all_dirty() {
  for (auto& [key, log] : logs_) log->dirty = true;
}

int64_t DeclaredLogs::scan_due(const std::function<void(DeclaredLog&)>& scan) {
  int64_t next = 0;
  for (auto& [key, log] : logs_) {
    int64_t due = log->due_ns();
    if (due == 0) continue;
    if (due <= clock_.monotonic_ns()) {
      scan(*log);
      due = log->due_ns();  // The scan may want another one: a directory was not watched yet.
    }
    if (due != 0 && (next == 0 || due < next)) next = due;
  }
  return next;
}

}  // namespace longshore::agent
