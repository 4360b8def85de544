// Scans a declared log: looks at the disk, finds which source each file belongs to, opens what is
// new, oldest first, and watches the directories.
//
//   DeclaredLog --scan()--> LogScanner --> ContainerFs (which files are there)
//                               |   '----> Rotation (which generations follow)
//                               '--> FollowedSources (open them), NameIndex (watch them)
#pragma once

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
#include "agent/discovery/held_files.h"
#include "agent/discovery/known_sources.h"
#include "agent/discovery/name_index.h"
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
};

/// Thread: the watch loop.
class LogScanner {
 public:
  /// `first_start_at_end`: sources that were there before the agent's first start begin at their
  /// end, unless their declaration says otherwise.
  LogScanner(const ScannedParts& parts, bool first_start_at_end, const Clock& clock)
      : parts_(parts), first_start_at_end_(first_start_at_end), clock_(clock) {}

  void scan(DeclaredLog& log);
  /// Follows a file as a log of its own, which may have lost its name since it was found.
  void follow(const Undecided& file);

 private:
  // One look at the disk.
  struct Look {
    DeclaredLog& log;
    ScanResult found;
    std::unordered_set<std::string_view> paths = {};  // Of the files in `found`.
    std::unordered_map<const Fd*, int> watches = {};  // Of the directories in `found`.
    std::unordered_map<const Fd*, DirectoryLook> directories = {};
    std::vector<std::pair<SourceId, Undecided>> undecided =
        {};              // Perhaps copies of the source's log.
    bool waits = false;  // For an answer, or for something to be written.
  };

  void watch_directories(Look& look);
  void note_seen(const Look& look);
  void doubt_unseen(const Look& look, const FoundFile& file, SourceId id,
                    NextGenerations& next) const;
  void observe(Look& look, const FoundFile& file);
  void resume_renamed(Look& look, const WatchDir& directory);
  bool is_of_deleted_log(const Look& look, const FoundFile& file, SourceId own) const;
  bool may_be_copy(Look& look, const FoundFile& file, SourceId log);
  void ask(Look& look);
  void open_rotated_away(Look& look);
  void open_in_order(Look& look, const FoundFile& where, SourceId id, const NextGenerations& next);
  void name(const Look& look, const FoundFile& where, const std::string& file_name, SourceId id);
  void forget_generations(const Look& look);
  void report_problems(const Look& look);
  uint64_t first_offset(const DeclaredLog& log, const FoundFile& file) const;

  const ScannedParts parts_;
  const bool first_start_at_end_;
  const Clock& clock_;
};

}  // namespace longshore::agent
