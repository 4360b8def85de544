// A declared log: one declaration of one container, or of the host, and what became of it.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>

#include "agent/files/container_fs.h"
#include "config/declaration.h"
#include "config/ids.h"

namespace longshore::agent {

/// Who declared, as records name it. `container_id` is empty for the host.
struct Declarer {
  std::string container_id;
  std::string container_name;
  std::string image;
};

/// What the checkpoint keeps about the declarer of a source. All sources of a declared log share
/// one.
struct DeclaredBy {
  std::string name;
  std::string container_id;
  std::string container_name;
};

/// Thread: the watch loop.
struct DeclaredLog {
  /// How messages name it: "container shop, log access" or "host, log app".
  std::string title() const;

  /// Whether `problem` has not been reported for this log before; remembers it. Always false once
  /// kProblemsPerLogMax problems have been reported.
  bool is_new_problem(const std::string& problem);

  /// Whether it names the file `file_name` of `directory`, where its files stand.
  bool declares(const WatchDir& directory, const std::string& file_name) const;

  /// Notes a scan that ran from `began_ns` to `now_ns` and delays the next one, so that scans of
  /// one log take at most a fifth of the time: a container cannot keep the watch loop busy.
  void note_scan(int64_t began_ns, int64_t now_ns);
  /// When it is to be scanned (monotonic): because something changed, or to open again what could
  /// not be opened. 0: not before something happens.
  int64_t due_ns() const;
  /// A file could not be opened at `now_ns`: tries again after a while, each time a longer one.
  void retry_open(int64_t now_ns);

  Declarer who;
  std::shared_ptr<const Declaration> declaration;
  std::shared_ptr<const DeclaredBy> by;
  std::unique_ptr<ContainerFs> fs;
  bool declared_before = false;  ///< The checkpoint knows a source of this declaration.

  std::set<SourceId> sources;  ///< The sources that it names.
  std::set<SourceId> deleted;  ///< Named before; files they were rotated to may still exist.
  bool is_watched = false;     ///< All its directories are watched: events report changes.
  /// Its container does not run. A source has ended once this is true of all logs that name it.
  bool ended = false;

  bool waits = false;  ///< Of some file it was not certain yet, in the last scan, which log it is.
  bool scanned = false;
  bool dirty = true;             ///< To be scanned.
  int64_t next_scan_ns = 0;      ///< Not before (monotonic).
  int64_t missing_since_ns = 0;  ///< A layer or a mount's source does not exist; 0: all do.

 private:
  std::set<std::string> problems_;
  int64_t open_at_ns_ = 0;  // When to try again to open files; 0: all that were found are open.
  int64_t open_pause_ns_ = 0;
};

}  // namespace longshore::agent
