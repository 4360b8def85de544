// Discovery decides which files are sources and which generation each file is. It is told what
// happened (containers, directory events, time) and tells the lanes which files to read.
//
//   watch loop --declare(), ended(), gone(), events, sweep()--> Discovery --ToLane--> lanes
//                                                  |
//                                                  +--> ContainerFs, DirectoryWatcher
//
// Events are hints and the disk is the truth: an event only makes a follower (one declaration of
// one container) look at its directories again, and sweep() finds whatever no event told.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "agent/discovery/rotation.h"
#include "agent/files/container_fs.h"
#include "agent/files/inotify.h"
#include "agent/link/messages.h"
#include "checkpoint/store.h"
#include "config/clock.h"
#include "config/declaration.h"
#include "config/limits.h"

namespace longshore::agent {

/// Takes messages for a lane: a mailbox in the agent.
using PostToLane = std::function<void(LaneId, ToLane)>;

struct DiscoveryOptions {
  std::string host_id;
  std::string host_root = "/";
  uint32_t lanes = 1;
  int64_t alive_ns = 0;  ///< What was written before had been seen by an agent, or is history.
  bool first_start_at_end = false;  ///< This is the agent's first start, and --first-start=end.
  uint64_t deleted_bytes_max = UINT64_MAX;  ///< Of the disk, held by us alone.
};

/// Who declared, as the records name it. `container_id` is empty for files of the host.
struct Declarer {
  std::string container_id;
  std::string container_name;
  std::string image;
};

/// Thread: the watch loop.
class Discovery {
 public:
  Discovery(DiscoveryOptions options, const HostMounts& mounts, DirectoryWatcher& watcher,
            PostToLane post, const Clock& clock);

  /// What the checkpoint knows of, before anything else is called.
  void remember(const std::vector<checkpoint::StoredSource>& stored);

  /// A declaration, new or as before with another `fs` or name; looks at its files at once.
  void declare(const Declarer& who, const Declaration& declaration, FsSpec fs);
  /// The container's writers are gone: looks once more at its files, then ends its sources.
  void ended(const std::string& container_id);
  /// The container runs (again).
  void revived(const std::string& container_id);
  /// The container was removed.
  void gone(const std::string& container_id);

  /// Everybody who declares something has said so: what the checkpoint remembers and nobody can
  /// find any more is lost. From then on sweep() looks for it each hour.
  void look_for_vanished();

  /// Answers a lane whose file was truncated.
  void look_for_copy(SourceId source);

  void on_event(const DirectoryEvent& event);
  /// Looks at the followers whose directories changed and posts the touches gathered since the last
  /// call. Gives when it wants to be called again (monotonic ns); 0: not before something happens.
  int64_t settle();
  /// Compares open files and watched directories with what was last seen: those directories, files
  /// that were written to in the last ten seconds, deleted ones and those that no events tell of
  /// each time, the others once in kSweepTurns times.
  void sweep();
  static constexpr size_t kSweepTurns = 6;

  size_t sources() const;

 private:
  // What the checkpoint keeps of who declares a source; all sources of a follower share it.
  struct DeclaredBy {
    std::string name;
    std::string container_id;
    std::string container_name;
  };
  struct Follower {
    Declarer who;
    std::shared_ptr<const Declaration> declaration;
    std::shared_ptr<const DeclaredBy> as;
    std::unique_ptr<ContainerFs> fs;
    std::set<int> watches;
    std::set<SourceId> sources;
    std::set<SourceId> let_go;  // Deleted; files that they were rotated to may be there.
    std::set<std::string> problems_said;
    bool dirty = true;
    bool is_watched = false;  // All its directories: events tell what changes.
    bool ended = false;
    bool scanned = false;
    int64_t next_scan_ns = 0;  // Not before: a container cannot make us do nothing but look.
  };
  // What is kept of files that are gone; twice as much, and it is cleared up.
  static constexpr size_t kGenerationsKnown = limits::kClosedGenerationsMax + 1;
  static constexpr size_t kNamesKnown = 64;
  static constexpr int64_t kLivelyNs = 10'000'000'000;
  struct HeldFile {
    std::weak_ptr<const OpenFile> file;  // The lane's: gone once it let go.
    uint64_t size_bytes = 0;
    uint64_t deleted_bytes = 0;  // Of the disk, that only we hold.
    bool given_up = false;
  };
  // A file whose source was let go, while its lane may still have to read it.
  struct DeletedFile {
    SourceId source;
    LaneId lane;
    HeldFile held;
  };
  struct Lineage {
    LaneId lane;
    std::string host_path;
    std::shared_ptr<const DeclaredBy> by;  // The last one.
    Stream stream = Stream::kFile;
    bool gone = false;         // The checkpoint says that its file is gone.
    int64_t next_look_ns = 0;  // For its file, while nobody follows it.
    checkpoint::FileIdentity newest;
    std::vector<checkpoint::FileIdentity> identities;  // Oldest first.
    size_t identities_max = 2 * kGenerationsKnown;     // Then those without a file are dropped.
    std::shared_ptr<const SourceSpec> spec;            // Null: only remembered.
    std::vector<HeldFile> files;
    std::set<Follower*> followers;
  };
  struct WatchedDirectory {
    std::shared_ptr<Fd> directory;
    int64_t changed_ns = 0;  // Its ctime as of the last look.
    std::set<Follower*> followers;
    std::unordered_map<std::string, std::set<SourceId>> names;
    size_t names_max = 2 * kNamesKnown;  // Then those without a file are dropped.
    std::string moved_name;              // The first half of a rename.
    uint32_t moved_cookie = 0;
  };
  using IdentityKey = std::pair<checkpoint::FileIdentity, Stream>;

  // discovery.cc: followers and their directories.
  void scan(Follower& follower);
  void watch_directories(Follower& follower, const ScanResult& result);
  void forget_names(WatchedDirectory& directory);
  void say_problems(Follower& follower, const ScanResult& result);
  void end_if_unwritten(SourceId id);
  void forget_follower(Follower& follower);
  void release(SourceId id, Lineage& lineage);
  void touch(SourceId id) { touched_.insert(id); }
  void sweep_files();
  bool sweep_files_of(SourceId id, Lineage& lineage, std::vector<SourceId>& dead);
  void keep_deleted_budget();
  void look_for_vanished(size_t files_max);
  void sweep_directories();

  // discovery_files.cc: files and generations.
  void observe(Follower& follower, const FoundFile& file,
               const std::unordered_set<std::string_view>& paths);
  void follow_on(Follower& follower, const FoundFile& file, SourceId id, bool resuming);
  void resume_renamed(Follower& follower, const ScanResult& result);
  const Sibling* youngest_since(const std::vector<Sibling>& siblings, const Lineage& lineage) const;
  struct Beginning {
    uint64_t start_offset = 0;
    bool gap_before = false;
  };
  bool open(Follower& follower, const FoundFile& where, const Sibling& sibling, SourceId id,
            const Beginning& beginning);
  void open_first(Follower& follower, const FoundFile& file, SourceId id);
  std::optional<std::vector<Sibling>> unread_siblings(Follower& follower, const FoundFile& file,
                                                      uint64_t offset);
  void open_rotated_away(Follower& follower, const ScanResult& result);
  void adopt(const FoundFile& file, SourceId id, Stream stream);
  void forget_generations(const Follower& follower, const ScanResult& result);
  uint64_t first_offset(const Follower& follower, const FoundFile& file) const;
  bool known_declaration(const Follower& follower) const;
  std::shared_ptr<const SourceSpec> make_spec(const Follower& follower, const FoundFile& file,
                                              SourceId id, LaneId lane) const;
  void name_file(const FoundFile& file, SourceId id);

  const DiscoveryOptions options_;
  const HostMounts& mounts_;
  DirectoryWatcher& watcher_;
  const PostToLane post_;
  const Clock& clock_;
  std::map<std::pair<std::string, std::string>, std::unique_ptr<Follower>> followers_;
  std::unordered_map<SourceId, Lineage> lineages_;
  std::map<IdentityKey, SourceId> identities_;
  std::unordered_map<std::string, std::set<SourceId>> by_directory_;  // Host directory path.
  std::set<std::pair<std::string, std::string>> declared_before_;     // Container id, name.
  std::unordered_map<int, WatchedDirectory> directories_;
  std::unordered_map<const Fd*, int> scan_watches_;     // Of the look that is under way;
  std::unordered_map<const Fd*, DirectoryLook> looks_;  // its directories.
  bool everybody_declared_ = false;
  std::set<SourceId> touched_;
  std::unordered_map<SourceId, int64_t> lively_;  // Swept each time until then (monotonic ns).
  size_t sweep_turn_ = 0;
  int64_t next_vanished_look_ns_ = 0;
  std::vector<DeletedFile> deleted_;
};

}  // namespace longshore::agent
