// Follows sources: opens their generations, tells their lanes, and lets go of those that no
// declared log names any more.
//
//   LogScanner --open()--> FollowedSources --SourceOpened, SourceEnded, SourceReleased--> lanes
//                             |
//                             +--> KnownSources (which generation is the newest), HeldFiles
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "agent/discovery/declared_log.h"
#include "agent/discovery/held_files.h"
#include "agent/discovery/known_sources.h"
#include "agent/discovery/rotation.h"
#include "agent/link/messages.h"
#include "config/clock.h"

namespace longshore::agent {

/// Takes messages for a lane: a mailbox in the agent.
using PostToLane = std::function<void(LaneId, ToLane)>;

/// How many files may be open.
struct OpenLimits {
  size_t of_tenant = limits::kTenantFilesMax;
  size_t of_all = limits::kAllFilesMax;
};

/// Thread: the watch loop.
class FollowedSources {
 public:
  FollowedSources(const OpenLimits& limits, KnownSources& known, HeldFiles& held,
                  const PostToLane& post, const Clock& clock)
      : limits_(limits), known_(known), held_(held), post_(post), clock_(clock) {}

  /// `log` names the source `id`: its scan found `file`, which belongs to that source.
  void join(DeclaredLog& log, const FoundFile& file, SourceId id);
  /// Opens `next`, which stands in the directory of `where`. false: it could not be opened under
  /// that name, or there is no room for it; `log` will be scanned again.
  bool open(DeclaredLog& log, const FoundFile& where, const NextGeneration& next, SourceId id);
  /// The same, of a file that no lane is told of yet. nullptr: it could not be opened.
  std::shared_ptr<const OpenFile> open_file(DeclaredLog& log, const FoundFile& where,
                                            const NamedFile& found, SourceId id);

  /// Whether `file`, which is no known generation, is a compressed one that is being made under a
  /// name that it will not keep. Then each sweep looks at it again.
  bool is_being_made(DeclaredLog& log, const FoundFile& file);

  /// Asks the lane of the source `id` whether `file` is a copy of its log.
  void ask_about_copy(SourceId id, const std::shared_ptr<const OpenFile>& file);
  /// Nothing of `id` could be opened for `log`, and nothing is known of it: a container can make
  /// such names without end.
  void forget_unopened(DeclaredLog& log, SourceId id);

  /// `found` is a closed generation that may have been written to since: its lane compares its
  /// size.
  void offer_closed(DeclaredLog& log, const FoundFile& where, const NamedFile& found, SourceId id);

  /// The container of `log` was renamed.
  void rename(const DeclaredLog& log);
  /// The container of `log` has ended, and so has each source that no other container writes. A
  /// source that another one writes goes on under that one's name.
  void end(const DeclaredLog& log);
  /// The container of `log` runs again.
  void revive(const DeclaredLog& log);
  /// Nobody declares `log` any more. What another log names goes on as that one's.
  void leave(DeclaredLog& log);
  /// Closes the files of `id` to make room, once its lane has read them: they are opened again when
  /// they change. false: it is not followed, or its file is deleted.
  bool rest(SourceId id);
  /// How many files were closed by rest() and are still open, because their lane reads them.
  size_t leaving() {
    std::erase_if(leaving_, [](const auto& each) { return each.expired(); });
    return leaving_.size();
  }
  /// There is no room for another file of `log`'s tenant; of anybody.
  bool is_full(const DeclaredLog& log) const {
    return log.tenant->open.files() >= limits_.of_tenant;
  }
  bool is_full() const { return open_.files() >= limits_.of_all; }

  /// The newest file of `id` is deleted, and no process writes to it any more.
  void lose(SourceId id);

 private:
  void wait_until_made(DeclaredLog& log, const FoundFile& where, const NamedFile& found);
  void cannot_open(DeclaredLog& log, const FoundFile& where, const Error& error, SourceId id);
  void begin(const DeclaredLog& log, const FoundFile& where, SourceId id);
  void hand_over(SourceId id, const DeclaredLog& from);
  void end_if_unwritten(SourceId id);
  void release(SourceId id);

  const OpenLimits limits_;
  OpenCount open_;
  std::vector<std::weak_ptr<const OpenFile>> leaving_;
  KnownSources& known_;
  HeldFiles& held_;
  const PostToLane& post_;
  const Clock& clock_;
};

}  // namespace longshore::agent
