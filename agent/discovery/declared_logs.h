// Who declares which logs, and when each declared log is scanned.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agent/discovery/declared_log.h"
#include "agent/files/slice.h"
#include "checkpoint/store.h"
#include "config/clock.h"

namespace longshore::agent {

/// Thread: the watch loop.
class DeclaredLogs {
 public:
  explicit DeclaredLogs(const Clock& clock) : clock_(clock) {}

  /// The declarations that the checkpoint knows of. REQUIRES: no log has been added.
  void remember(const std::vector<checkpoint::StoredSource>& stored);

  /// The log that `container_id` declares under `name`. nullptr: none.
  DeclaredLog* find(const std::string& container_id, const std::string& name) const;
  std::vector<DeclaredLog*> of_container(const std::string& container_id) const;
  /// The logs with directories whose changes no event reports, or with files that wait for room.
  std::vector<DeclaredLog*> unwatched() const;

  /// REQUIRES: there is no such log.
  DeclaredLog& add(const Declarer& who, const Declaration& declaration);
  /// Takes out a log that nobody declares any more.
  std::unique_ptr<DeclaredLog> take(const DeclaredLog& log);

  void mark_all_dirty();
  /// The logs that named the resting source `id`; or, without one, all that named any.
  void mark_resting_dirty(SourceId id);
  /// Calls `scan` for each log that is to be scanned and whose tenant may, those that waited
  /// longest first, until `turn` is used up. Returns when it wants to be called again (monotonic
  /// ns); 0: not before something happens.
  int64_t scan_due(const std::function<void(DeclaredLog&)>& scan, const Slice& turn);
  /// One slice of a scan of `log`, if its tenant may.
  void scan_now(DeclaredLog& log, const std::function<void(DeclaredLog&)>& scan);

  /// Whether every log has been scanned completely.
  bool all_scanned() const;
  /// The same, and no file waits to be opened, nor a log for its last scan.
  bool all_opened() const;
  /// Every declared log, for reports.
  void for_each(const std::function<void(const DeclaredLog&)>& visit) const {
    for (const auto& [key, log] : logs_) visit(*log);
  }

 private:
  std::shared_ptr<Tenant> tenant_of(const std::string& container_id);

  using Key = std::pair<std::string, std::string>;  // Container id, name.

  const Clock& clock_;
  std::map<Key, std::unique_ptr<DeclaredLog>> logs_;
  std::map<std::string, std::weak_ptr<Tenant>> tenants_;  // By container id.
  uint64_t turns_ = 0;
  std::set<Key> declared_before_;
};

}  // namespace longshore::agent
