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
  /// The logs with directories whose changes no event reports.
  std::vector<DeclaredLog*> unwatched() const;

  /// Whether a log has to be scanned again before all of its files are opened.
  bool any_waits() const;

  /// REQUIRES: there is no such log.
  DeclaredLog& add(const Declarer& who, const Declaration& declaration);
  void remove(const DeclaredLog& log);

  void mark_all_dirty();
  /// Calls `scan` for each dirty log whose time has come. Returns when the next one is due
  /// (monotonic ns); 0: none waits.
  int64_t scan_due(const std::function<void(DeclaredLog&)>& scan);

 private:
  using Key = std::pair<std::string, std::string>;  // Container id, name.

  const Clock& clock_;
  std::map<Key, std::unique_ptr<DeclaredLog>> logs_;
  std::set<Key> declared_before_;
};

}  // namespace longshore::agent
