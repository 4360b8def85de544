// The watched directories: which sources a name in one stands for, and which declared logs look at
// it. Turns events of inotify into sources that may have grown and logs that need a scan.
//
//   LogScanner --watch(), add()--> NameIndex --> DirectoryWatcher (inotify)
//                                      ^
//   Discovery --on_event(), changed()--'--> logs to scan; take_touched(): sources
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "agent/files/container_fs.h"
#include "agent/files/inotify.h"
#include "agent/files/path_check.h"
#include "checkpoint/file_identity.h"
#include "config/fd.h"
#include "config/ids.h"
#include "config/limits.h"
#include "config/result.h"

namespace longshore::agent {

struct DeclaredLog;

/// What became of the directories that a declared log looks at.
struct WatchOutcome {
  struct Refused {
    std::string host_path;
    Error error;
  };
  std::vector<Refused> refused;  ///< No event will tell of these.
  bool any_new = false;          ///< One may have changed between the scan and the watch.
  /// The watches, by the descriptors of the scan.
  std::unordered_map<const Fd*, int> watches;
};

/// Thread: the watch loop. Declared logs are only named here, never used.
class NameIndex {
 public:
  explicit NameIndex(DirectoryWatcher& watcher) : watcher_(watcher) {}

  /// `log` looks at these directories from now on, and no longer at others.
  /// At most `room` of them.
  WatchOutcome watch(DeclaredLog& log, const std::vector<WatchDir>& directories,
                     size_t room = SIZE_MAX);
  /// How many directories are watched.
  size_t watches() const { return directories_.size(); }
  void unwatch(DeclaredLog& log);

  /// From now on, writes to this name touch `source`.
  void add(int watch, const std::string& file_name, SourceId source);
  /// The directories in which `file_name` stands for `source`.
  std::vector<std::shared_ptr<Fd>> directories_of(const std::string& file_name,
                                                  SourceId source) const;

  /// A scan found `file` under the log's own name.
  void saw(int watch, const std::string& file_name, SourceId source,
           const checkpoint::FileIdentity& file);
  /// How many files may have taken the log's own name since; 0 if saw() was never called.
  uint32_t arrivals(int watch, const std::string& file_name, SourceId source) const;
  /// Files that came before this moment may not have been counted yet.
  bool has_uncounted() const { return watcher_.has_unread(); }
  /// Whether saw() was called, and the directory was watched ever since.
  bool has_seen(int watch, const std::string& file_name, SourceId source) const {
    return find(watch, file_name, source) != nullptr;
  }

  /// Returns the logs that have to be scanned. Not for kOverflow, which concerns all.
  std::vector<DeclaredLog*> on_event(const DirectoryEvent& event);
  /// The logs that look at a directory which has changed since the last call, whether or not an
  /// event reported it.
  std::vector<DeclaredLog*> changed();
  /// Events may be missing.
  void overflowed();
  /// The logs that look at a directory to which its path does not lead any more. Each call checks
  /// at most kPathChecksMax paths.
  std::vector<DeclaredLog*> displaced(PathCheck& check);
  /// The sources whose names were written to, renamed or removed since the last call.
  std::set<SourceId> take_touched() { return std::exchange(touched_, {}); }

 private:
  struct LogName {
    checkpoint::FileIdentity file;  // As of the last scan.
    uint32_t arrivals = 0;          // Since then.
  };
  struct Directory {
    std::shared_ptr<Fd> fd;
    std::string host_path;
    checkpoint::FileIdentity identity;
    int64_t changed_ns = 0;  // Its ctime as of the last look.
    std::set<DeclaredLog*> logs;
    std::unordered_map<std::string, std::set<SourceId>> names;
    std::unordered_map<std::string, std::map<SourceId, LogName>> log_names;
    size_t names_max = 2 * limits::kNamesKnown;  // Above it, names without a file are forgotten.
    std::string moved_name;                      // The first half of a rename.
    uint32_t moved_cookie = 0;
  };

  const LogName* find(int watch, const std::string& file_name, SourceId source) const;
  void leave(DeclaredLog& log, int watch);
  void forget_names(Directory& directory);
  static void count_arrival(Directory& directory, const std::string& name);
  static void events_lost(Directory& directory);
  void rename_within(Directory& directory, const DirectoryEvent& event);
  void touch(const std::set<SourceId>& sources);

  DirectoryWatcher& watcher_;
  std::unordered_map<int, Directory> directories_;  // By watch.
  std::unordered_map<const DeclaredLog*, std::set<int>> watches_;
  std::set<SourceId> touched_;
  size_t check_turn_ = 0;
};

}  // namespace longshore::agent
