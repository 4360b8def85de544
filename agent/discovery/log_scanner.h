// Scans a declared log: looks at the disk, finds which source each file belongs to, opens what is
// new, oldest first, and watches the directories. A scan is done in slices: other logs, and all
// other events, have their turns in between.
//
//   DeclaredLog --scan()--> LogScanner --> ContainerFs (which files are there)
//                               |   '----> Rotation (which generations follow)
//                               '--> FollowedSources (open them), NameIndex (watch them)
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "agent/discovery/copy_questions.h"
#include "agent/discovery/declared_log.h"
#include "agent/discovery/directory_look.h"
#include "agent/discovery/followed_sources.h"
#include "agent/discovery/former_files.h"
#include "agent/discovery/held_files.h"
#include "agent/discovery/known_sources.h"
#include "agent/discovery/name_index.h"
#include "agent/discovery/refusals.h"
#include "agent/discovery/rotation.h"
#include "config/clock.h"

namespace longshore::agent {

/// The parts that a scan works on, all of one Discovery.
struct ScannedParts {
  KnownSources& known;
  HeldFiles& held;
  NameIndex& names;
  const Rotation& rotation;
  FollowedSources& followed;
  CopyQuestions& copies;
  Refusals& refusals;
};

/// Thread: the watch loop.
class LogScanner {
 public:
  /// `first_start_at_end`: sources that were there before the agent's first start begin at their
  /// end, unless their declaration says otherwise. `alive_ns`: when an agent was last known to run.
  LogScanner(const ScannedParts& parts, const std::string& host_root, const HostMounts& mounts,
             bool first_start_at_end, int64_t alive_ns, const Clock& clock)
      : parts_(parts),
        host_root_(host_root),
        mounts_(mounts),
        first_start_at_end_(first_start_at_end),
        alive_ns_(alive_ns),
        clock_(clock) {}

  /// Goes on with the scan of `log`, or begins one. True: it is complete.
  bool scan(DeclaredLog& log, Slice& slice);
  /// A scan of `log` is not completed: it is not declared any more, or its files are elsewhere.
  void drop(DeclaredLog& log);
  /// Follows a file as a log of its own, which may have lost its name since it was found.
  void follow(const Undecided& file);

 private:
  // One look at the disk.
  struct Look {
    Look(DeclaredLog& of, const std::string& host_root, const HostMounts& mounts, int64_t now_ns)
        : log(of), began_ns(now_ns), former(host_root, mounts) {}
    Look(const Look&) = delete;
    Look& operator=(const Look&) = delete;

    DeclaredLog& log;
    const int64_t began_ns;
    std::unique_ptr<PathScan> walk;  // Null: it is done, and `found` is what it found.
    ScanResult found;
    std::unordered_set<std::string_view> paths = {};  // Of the files in `found`.
    size_t files_done = 0, renamed_done = 0, linked_done = 0, rotated_done = 0;
    std::optional<std::vector<std::pair<SourceId, LogName>>> linked;  // Logs that symlinks name.
    std::unique_ptr<RotatedLogs> rotated_logs;  // In the directory that is next.
    bool is_listed = false;                     // All that it holds are known.
    std::optional<std::string> rotated_log;     // The one of them that is next.
    bool has_forgotten = false;                 // Generations that do not exist any more.
    uint64_t unknown = 0;  // Files for which there is no room among the sources.
    std::unordered_map<const Fd*, int> watches = {};  // Of the directories in `found`.
    std::unordered_map<const Fd*, DirectoryLook> directories = {};
    std::set<SourceId> all_gone = {};  // Deleted sources of which no rotated file is found.
    std::set<SourceId> resting = {};   // Sources whose file is as it was when it was closed.
    std::vector<std::pair<SourceId, Undecided>> undecided =
        {};              // Perhaps copies of the source's log.
    bool waits = false;  // For an answer, or for something to be written.
    FormerFiles former;
  };

  std::unique_ptr<PathScan> begin(Look& look);
  bool go_on(Look& look, Slice& slice);
  void finish(Look& look);
  void watch_directories(Look& look);
  void note_seen(const Look& look);
  using OwnNames = std::vector<std::pair<int, std::string>>;  // By watch.
  OwnNames own_names(const Look& look, const FoundFile& file) const;
  bool waits_for_count(Look& look, const KnownSource& source) const;
  size_t arrivals(const Look& look, const FoundFile& file, SourceId id) const;
  bool was_seen_there(const Look& look, const FoundFile& file, SourceId id) const;
  // What was found of the files that stand elsewhere.
  struct Former {
    size_t opened = 0;         // After the newest file that was known.
    bool may_be_more = false;  // Nothing tells where to look for others.
  };
  void doubt_unseen(const Look& look, const FoundFile& file, SourceId id, const Former& former,
                    NextGenerations& next) const;
  bool observe(Look& look, const FoundFile& file);
  bool is_of_deleted_log(const Look& look, const FoundFile& file, SourceId own) const;
  bool may_be_copy(Look& look, const FoundFile& file, SourceId log);
  void ask(Look& look);
  std::optional<Former> open_former(Look& look, const FoundFile& file, SourceId id);
  bool open_all(Look& look, const FoundFile& file, const std::vector<FormerFile>& all, SourceId id);
  std::optional<Former> open_turned(Look& look, const FoundFile& file, SourceId id);
  std::optional<Former> open_departed(Look& look, const FoundFile& file, SourceId id);
  std::optional<Former> open_renamed(Look& look, const FoundFile& file, const NamedFile& newest,
                                     SourceId id);
  std::optional<Former> open_moved(Look& look, const FoundFile& file, const FormerFile& before,
                                   SourceId id);
  bool open_rotated_there(Look& look, const FoundFile& file, const FormerFile& before, SourceId id);
  FormerFiles::Found moved_as(Look& look, const FoundFile& file, const FormerFile& newest,
                              SourceId id) const;
  bool open_before(Look& look, const FoundFile& file, SourceId id);
  FormerFiles::IsKnown knows_file(Stream stream) const;
  bool open_in_doubt(Look& look, const FoundFile& file, SourceId id);
  std::optional<FormerFile> find_file(Look& look, const checkpoint::FileIdentity& file,
                                      SourceId id);
  bool open_one(Look& look, const FoundFile& where, const FormerFile& former, Step step,
                SourceId id);
  bool resume_renamed(Look& look, const WatchDir& directory);
  void find_linked(Look& look) const;
  void resume_linked(Look& look, SourceId id, const LogName& log);
  bool open_rotated_away(Look& look, const WatchDir& directory);
  bool open_rotated_log(Look& look, FoundFile file);
  bool open_next(Look& look, const FoundFile& where, const NextGeneration& next, SourceId id);
  void open_in_order(Look& look, const FoundFile& where, SourceId id, const NextGenerations& next);
  bool is_of_other(const Look& look, const FoundFile& log, const std::string& file_name) const;
  void offer_closed(Look& look, const FoundFile& where, SourceId id, int64_t born_ns);
  void name(const Look& look, const FoundFile& where, const std::string& file_name, SourceId id);
  bool forget_generations(Look& look);
  void report_problems(const Look& look);
  void report_missing(const Look& look);
  void wait_for_room(DeclaredLog& log, uint64_t files);
  KnownSource* learn(Look& look, SourceId id, const std::string& host_path);
  Interest interest_in(Look& look, const checkpoint::FileFacts& facts) const;
  uint64_t first_offset(const DeclaredLog& log, const FoundFile& file) const;

  const ScannedParts parts_;
  const std::string& host_root_;
  const HostMounts& mounts_;
  const bool first_start_at_end_;
  const int64_t alive_ns_;
  const Clock& clock_;
  std::unordered_map<const DeclaredLog*, std::unique_ptr<Look>> looks_;
};

}  // namespace longshore::agent
