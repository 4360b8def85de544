// A declared log: one declaration of one container, or of the host, and what became of it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "agent/discovery/tenant.h"
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

  bool looks_again() const { return waits || undecided; }
  /// When it is to be scanned again although nothing happens (monotonic): some files wait or are
  /// undecided, or could not be opened. 0: never.
  int64_t looks_again_at_ns() const;
  /// A file could not be opened at `now_ns`: tries again after a while, each time a longer one.
  void retry_open(int64_t now_ns);
  /// Whether that happened in the last complete scan.
  bool lacks_files() const { return lacks_files_; }
  /// A scan that began at `began_ns` is complete.
  void note_scan(int64_t began_ns);

  Declarer who;
  std::shared_ptr<const Declaration> declaration;
  std::shared_ptr<const DeclaredBy> by;
  std::unique_ptr<ContainerFs> fs;
  std::shared_ptr<Tenant> tenant;  ///< Shared by the declared logs of a container.
  bool declared_before = false;    ///< The checkpoint knows a source of this declaration.

  std::set<SourceId> sources;  ///< The sources that it names.
  std::set<SourceId> deleted;  ///< Named before; files they were rotated to may still exist.
  bool is_watched = false;     ///< All its directories are watched: events report changes.
  /// Its container does not run. A source has ended once this is true of all logs that name it.
  bool ended = false;
  int64_t died_ns = 0;  ///< If so: when, as in Discovery::ended().
  /// Its container does not run, but a last scan is not complete yet.
  bool ending = false;

  bool scanned = false;    ///< Once at least, completely.
  bool dirty = true;       ///< To be scanned, or to be scanned again.
  bool scanning = false;   ///< A scan has begun.
  bool waits = false;      ///< Some of its files wait for room, or until others of them are read.
  bool undecided = false;  ///< Of some file it was not certain yet, in the last scan, whose it is.
  bool matched = false;    ///< A file was found.
  bool no_descriptor = false;  ///< In the present scan: the process may open no more files.
  size_t watches = 0;          ///< Directories that are watched for it, as of the last scan.
  int put_off = 0;             ///< Scans in a row that waited for events.
  size_t unopened = 0;  ///< In the present scan: how many could not be opened for lack of room.
  int64_t waits_since_ns = 0;  ///< When they began to wait (monotonic); 0: none waits.
  std::set<SourceId> resting;  ///< Sources that it named until their files were closed for room.
  int64_t look_again_ns = 0;   ///< When to scan it again if some wait or are undecided (monotonic).
  uint64_t last_turn = 0;      ///< Its last slice of a scan was in this turn.
  int64_t missing_since_ns = 0;  ///< A layer or a mount's source does not exist; 0: all do.

 private:
  std::set<std::string> problems_;
  int64_t open_at_ns_ = 0;  // When to try again to open files; 0: all that were found are open.
  int64_t open_pause_ns_ = 0;
  int64_t unopened_ns_ = 0;  // When one could not be opened last.
  bool lacks_files_ = false;
};

}  // namespace longshore::agent
