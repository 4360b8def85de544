// The open log files as the watch loop sees them. Lanes own them, and let go once they have shipped
// them. Compares each file with what was last seen of it, and bounds the disk space that deleted
// files take.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "agent/files/log_file.h"
#include "config/ids.h"

namespace longshore::agent {

/// What a sweep found.
struct Swept {
  std::vector<SourceId> resized;
  std::vector<SourceId> dead;  ///< The newest file is deleted, and no process writes to it.
};

/// A deleted file whose space on disk is needed.
struct OverBudget {
  LaneId lane;
  SourceId source;
  checkpoint::FileIdentity file;
};

/// Thread: the watch loop.
class HeldFiles {
 public:
  explicit HeldFiles(uint64_t deleted_bytes_max) : deleted_bytes_max_(deleted_bytes_max) {}

  /// `file` is the newest of `source`, and had `size_bytes` when it was found.
  void hold(SourceId source, LaneId lane, const std::shared_ptr<const OpenFile>& file,
            uint64_t size_bytes);
  /// How many files of `source` are open.
  size_t open_files(SourceId source) const;
  /// The newest of them; nullptr: its lane has let go of it.
  std::shared_ptr<const OpenFile> newest(SourceId source) const;
  /// What it is now.
  std::optional<checkpoint::FileFacts> newest_facts(SourceId source) const;
  bool holds(SourceId source, const checkpoint::FileIdentity& file) const;
  /// Every sweep checks `source` until `until_ns` (monotonic).
  void keep_lively(SourceId source, int64_t until_ns);
  /// Lets go of the files of `source`. Returns whether the newest one is deleted; then they count
  /// as deleted until their lane has let go too.
  bool release(SourceId source);

  /// Checks lively and deleted files each time, and the others once in kSweepTurns calls, because
  /// ten thousand of them are in no cache.
  Swept sweep(int64_t now_ns);
  /// Deleted files beyond the budget, each once, largest first. A deleted file takes space until
  /// its descriptor is closed, which does not happen while Kafka is unreachable.
  std::vector<OverBudget> over_budget();

 private:
  struct File {
    std::weak_ptr<const OpenFile> open;  // Owned by the lane; expires when the lane lets go.
    uint64_t size_bytes = 0;
    int64_t modified_ns = 0;     // As of the last sweep; 0: none yet.
    uint64_t deleted_bytes = 0;  // On disk, with no name left.
    bool given_up = false;
  };
  struct Source {
    LaneId lane;
    std::vector<File> files;  // Oldest first.
  };
  // A file of a source that was released, while its lane may still have to read it.
  struct Deleted {
    SourceId source;
    LaneId lane;
    File file;
  };

  bool sweep_source(SourceId id, Source& source, Swept& swept);

  const uint64_t deleted_bytes_max_;
  std::unordered_map<SourceId, Source> sources_;
  std::unordered_map<SourceId, int64_t> lively_until_;  // Monotonic. Deleted ones stay in it.
  std::vector<Deleted> deleted_;
  size_t turn_ = 0;
};

}  // namespace longshore::agent
