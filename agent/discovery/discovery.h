// Discovery finds the files of declared logs and decides which source, and which generation of it,
// each file is. It is told what happened (containers, directory events, time) and tells the lanes
// which files to read.
//
//   watch loop --declare(), ended(), gone(), events, sweep()--> Discovery --ToLane--> lanes
//
// This class only wires its parts together:
//
//   DeclaredLogs     who declares what, and when each declared log is scanned
//   LogScanner       scans one declared log and opens what is new
//   FormerFiles      finds files of a log that stand elsewhere: former targets of its symlink
//   Rotation         decides which file is which generation of which source
//   KnownSources     identity -> source -> generations, followed or remembered
//   FollowedSources  opens generations and tells the lanes
//   NameIndex        watched directories: names -> sources, directories -> declared logs
//   HeldFiles        open files: sweeps, and the budget of deleted ones
//   CopyQuestions    files that may be copies of a log beside them
//   Refusals         what limits keep from being collected
//   VanishedSearch   remembered sources whose file no longer exists
//
// Events are hints and the disk is the truth: an event only causes a declared log to be scanned
// again, and sweep() finds whatever no event told.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/discovery/copy_questions.h"
#include "agent/discovery/declared_logs.h"
#include "agent/discovery/followed_sources.h"
#include "agent/discovery/held_files.h"
#include "agent/discovery/known_sources.h"
#include "agent/discovery/log_scanner.h"
#include "agent/discovery/name_index.h"
#include "agent/discovery/refusals.h"
#include "agent/discovery/rotation.h"
#include "agent/discovery/vanished_search.h"
#include "checkpoint/store.h"
#include "config/clock.h"
#include "config/declaration.h"

namespace longshore::agent {

struct DiscoveryOptions {
  std::string host_id;
  std::string host_root = "/";
  uint32_t lanes = 1;
  int64_t alive_ns = 0;  ///< What was written earlier was seen by an agent, or is history.
  bool first_start_at_end = false;  ///< This is the agent's first start, and --first-start=end.
  uint64_t deleted_bytes_max = UINT64_MAX;  ///< On disk, held by this agent alone.
  size_t turn_steps = limits::kTurnSteps;
  OpenLimits open = {};
};

/// Thread: the watch loop.
class Discovery {
 public:
  Discovery(const DiscoveryOptions& options, const HostMounts& mounts, DirectoryWatcher& watcher,
            PostToLane post, const Clock& clock);
  Discovery(const Discovery&) = delete;
  Discovery& operator=(const Discovery&) = delete;

  /// What the checkpoint knows, before anything else is called. `prepared`: by transactions of
  /// which nobody knows whether Kafka took them.
  void remember(const std::vector<checkpoint::StoredSource>& stored,
                const std::vector<LedgerEntry>& ledger = {},
                const std::vector<checkpoint::PreparedSource>& prepared = {});

  /// A declaration: a new one, or a known one with another `fs` or container name. Begins to scan
  /// it at once, unless its tenant's scans have taken too much time.
  void declare(const Declarer& who, const Declaration& declaration, FsSpec fs);
  /// The container's processes are gone: scans its logs once more, and ends its sources once that
  /// is complete. What was written after `died_ns` (wall clock) may be of its next run.
  void ended(const std::string& container_id, int64_t died_ns);
  /// The container runs (again).
  void revived(const std::string& container_id);
  /// The container was removed.
  void gone(const std::string& container_id);

  /// All containers have been declared: remembered sources whose files no longer exist are lost.
  /// From now on sweep() looks for each one every hour.
  void look_for_vanished();

  /// Answers a lane whose file was truncated.
  void look_for_copy(SourceId source);
  /// A lane's answer about a file that may be a copy.
  void copy_judged(const CopyJudged& judged);

  void on_event(const DirectoryEvent& event);
  /// A turn: scans logs whose directories changed, for kTurnNs at most, and posts the touches
  /// gathered since the last call. Returns when it wants to be called again (monotonic ns); 0: not
  /// before something happens.
  int64_t settle();
  /// Compares open files and watched directories with what was last seen of them. Each call checks
  /// the directories, the files that were written to in the last ten seconds, deleted files, and
  /// files that no event reports. The remaining files are checked once in kSweepTurns calls.
  void sweep();

  /// Every declared log has been scanned.
  bool all_scanned() const { return logs_.all_scanned(); }
  /// The same, and no file waits to be opened, or for an answer which log it belongs to.
  bool all_opened() const { return logs_.all_opened() && copies_.asked() == 0; }
  /// How many limits refused something of how many declared logs.
  size_t refusals() const { return refusals_.size(); }
  /// A sentence for each declared log of the host for which no file was ever found, and for each
  /// of anyone with files that cannot be opened.
  std::vector<std::string> missed() const;

  /// The number of sources that are followed.
  size_t sources() const;

 private:
  std::optional<std::vector<std::shared_ptr<const OpenFile>>> open_copies(
      const KnownSource& source, const Fd& directory) const;
  void scan(DeclaredLog& log);
  void scan_now(DeclaredLog& log);
  void make_room(DeclaredLog& log);
  void remove(DeclaredLog& log);
  void post_vanished(size_t files_max);

  const std::string host_root_;
  const HostMounts& mounts_;
  const PostToLane post_;
  const Clock& clock_;
  const size_t turn_steps_;
  DeclaredLogs logs_;
  KnownSources known_;
  HeldFiles held_;
  NameIndex names_;
  Rotation rotation_;
  FollowedSources followed_;
  CopyQuestions copies_;
  std::vector<std::unique_ptr<DeclaredLog>> departed_;  // Not declared any more; see copies_.
  Refusals refusals_;
  LogScanner scanner_;
  VanishedSearch vanished_;
  std::set<SourceId> touched_;
  size_t sweeps_ = 0;
  bool all_declared_ = false;
};

}  // namespace longshore::agent
