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
    if (!log->is_watched || log->waits) logs.push_back(log.get());
  }
  return logs;
}

DeclaredLog& DeclaredLogs::add(const Declarer& who, const Declaration& declaration) {
  auto& log = logs_[{who.container_id, declaration.name}];
  assert(log == nullptr);
  log = std::make_unique<DeclaredLog>();
  log->declaration = std::make_shared<const Declaration>(declaration);
  log->tenant = tenant_of(who.container_id);
  log->declared_before = declared_before_.contains({who.container_id, declaration.name});
  return *log;
}

// Logs of the host have an owner each: the operator chose them one by one.
std::shared_ptr<Tenant> DeclaredLogs::tenant_of(const std::string& container_id) {
  if (container_id.empty()) return std::make_shared<Tenant>();
  std::weak_ptr<Tenant>& known = tenants_[container_id];
  std::shared_ptr<Tenant> tenant = known.lock();
  if (tenant == nullptr) known = tenant = std::make_shared<Tenant>();
  return tenant;
}

std::unique_ptr<DeclaredLog> DeclaredLogs::take(const DeclaredLog& log) {
  if (log.tenant.use_count() == 1) tenants_.erase(log.who.container_id);
  return std::move(logs_.extract(Key(log.who.container_id, log.declaration->name)).mapped());
}

void DeclaredLogs::mark_all_dirty() {
  for (auto& [key, log] : logs_) log->dirty = true;
}

void DeclaredLogs::mark_resting_dirty(SourceId id) {
  for (auto& [key, log] : logs_) {
    const bool named = id == SourceId{} ? !log->resting.empty() : log->resting.contains(id);
    if (named) log->dirty = true;
  }
}

void DeclaredLogs::scan_now(DeclaredLog& log, const std::function<void(DeclaredLog&)>& scan) {
  const int64_t began = clock_.monotonic_ns();
  if (log.tenant->may_scan_at_ns(began) > began) return;
  log.last_turn = turns_;
  scan(log);
  log.tenant->scanned(began, clock_.monotonic_ns());
}

int64_t DeclaredLogs::scan_due(const std::function<void(DeclaredLog&)>& scan, const Slice& turn) {
  std::vector<DeclaredLog*> due;
  for (auto& [key, log] : logs_) {
    // The scan that goes on looks at them too.
    const int64_t again = log->scanning ? 0 : log->looks_again_at_ns();
    if (again != 0 && clock_.monotonic_ns() >= again) log->dirty = true;
    if (log->dirty || log->scanning) due.push_back(log.get());
  }
  ++turns_;
  std::ranges::stable_sort(due, {}, &DeclaredLog::last_turn);
  for (DeclaredLog* const log : due) {
    if (turn.is_used_up()) return clock_.monotonic_ns();
    scan_now(*log, scan);
  }
  int64_t next = 0;
  for (const auto& [key, log] : logs_) {
    const bool is_due = log->dirty || log->scanning;
    const int64_t at =
        is_due ? log->tenant->may_scan_at_ns(clock_.monotonic_ns()) : log->looks_again_at_ns();
    if (!is_due && at == 0) continue;
    if (next == 0 || at < next) next = at;
  }
  return next;
}

bool DeclaredLogs::all_scanned() const {
  return std::ranges::all_of(logs_, [](const auto& each) { return each.second->scanned; });
}

bool DeclaredLogs::all_opened() const {
  return std::ranges::all_of(logs_, [](const auto& each) {
    const DeclaredLog& log = *each.second;
    return log.scanned && !log.looks_again() && !log.ending;
  });
}

}  // namespace longshore::agent
