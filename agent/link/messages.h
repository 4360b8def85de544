// The messages between the watch loop and a lane. Everything that crosses is immutable or moved.
// Both sides name sources by their ids and pass descriptors, never each other's objects.
//
//   watch loop --ToLane--> lane --ToWatch--> watch loop
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "agent/files/log_file.h"
#include "checkpoint/file_identity.h"
#include "config/declaration.h"
#include "config/ids.h"

namespace longshore::agent {

/// Everything constant about a source. Immutable; a new one replaces it when its declarer changes.
struct SourceSpec {
  SourceId id;
  LaneId lane;
  std::shared_ptr<const Declaration> declaration;  ///< Not null; all its files share it.
  std::string host_path;       ///< Canonical on the host, or "tmpfs:..." through a live process.
  std::string container_path;  ///< What users see: the path inside the container, or the stream.
  std::string container_id;    ///< Empty for files of the host.
  std::string container_name;
  std::string image;
};

// SourceOpened, SourceEnded, SourceReleased and SourceVanished are events in the life of a source:
// see checkpoint/source_life.h.

/// A generation of a source: its first, a successor, or one that was known before a restart.
/// Generations come in the order of the stream.
struct SourceOpened {
  std::shared_ptr<const SourceSpec> spec;
  std::shared_ptr<const OpenFile> file;  ///< Null: only the spec is new (its container runs again).
  uint64_t start_offset = 0;             ///< Where to begin if the source was never seen before.
  bool gap_before = false;               ///< Generations before it came and went unseen.
};

/// These sources may have grown, or their files were renamed or truncated.
struct SourcesTouched {
  std::vector<SourceId> sources;
};

/// No process writes to it any more (its container died): an unterminated last line is complete.
/// Also when the container runs again before this is read: the line ends at `size_bytes` of `file`,
/// unless that is not known (0).
struct SourceEnded {
  SourceId source;
  checkpoint::FileIdentity file = {};
  uint64_t size_bytes = 0;
};

/// No declaration names it any more: ship what is open, then let go of it.
struct SourceReleased {
  SourceId source;
  bool deleted = false;  ///< Its file is gone: the retention of its state begins.
};

/// The checkpoint knows it, but its file is gone and was not open here.
struct SourceVanished {
  std::shared_ptr<const SourceSpec> spec;
};

/// Deleted files take more of the disk than they may: the rest of this one is given up.
struct FileGivenUp {
  SourceId source;
  checkpoint::FileIdentity identity;
};

/// The answer to LookForCopy: a file that may be a copy of the source's file, made before that was
/// truncated (logrotate's copytruncate). Null: there is none.
struct CopyFound {
  SourceId source;
  std::shared_ptr<const OpenFile> file;
};

/// Every log that was there at the start has been opened: `--once` may finish.
struct StartScanned {};

struct StopLane {};

using ToLane = std::variant<SourceOpened, SourcesTouched, SourceEnded, SourceReleased,
                            SourceVanished, FileGivenUp, CopyFound, StartScanned, StopLane>;

/// A lane ended. With an exit status other than 0 the process prints the sentence and exits with
/// it.
struct LaneStopped {
  LaneId lane;
  int exit_status = 0;
  std::string message;
  bool restart = false;  ///< The database handle is dead: rebuild the checkpoint and start again.
};

/// The source's file was truncated. Is there a copy of its old content? Answered by CopyFound.
struct LookForCopy {
  SourceId source;
};

using ToWatch = std::variant<LaneStopped, LookForCopy>;

}  // namespace longshore::agent
