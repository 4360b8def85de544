// What the watch loop and a lane say to each other. Everything that crosses is immutable or moved;
// both sides speak in source ids and descriptors, never in each other's objects.
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

/// A generation of a source: the first, a successor, or one that was known before a restart. They
/// come in the order of the stream.
struct SourceOpened {
  std::shared_ptr<const SourceSpec> spec;
  std::shared_ptr<const OpenFile> file;  ///< Null: only the spec is new (its container runs again).
  uint64_t start_offset = 0;             ///< Where to begin if the source was never seen before.
  bool gap_before = false;               ///< Other generations came and went unseen before it.
};

/// These sources may have grown, or their files were renamed or truncated.
struct SourcesTouched {
  std::vector<SourceId> sources;
};

/// Nobody writes to it any more (its container died): an unterminated last line is complete.
struct SourceEnded {
  SourceId source;
};

/// Nobody declares it any more: ship what is open, then let go of it.
struct SourceReleased {
  SourceId source;
  bool deleted = false;  ///< Its file is gone: the retention of its state begins.
};

/// The checkpoint knows it, but its file is gone and was not open here.
struct SourceVanished {
  std::shared_ptr<const SourceSpec> spec;
};

/// A deleted file that takes more of the disk than such files may: its rest is given up.
struct FileGivenUp {
  SourceId source;
  checkpoint::FileIdentity identity;
};

/// The answer to LookForCopy: the file that may be a copy of the source's, made before it was
/// truncated (logrotate's copytruncate); null: there is none.
struct CopyFound {
  SourceId source;
  std::shared_ptr<const OpenFile> file;
};

/// Everything that was there at the start has been opened: `--once` may finish.
struct StartScanned {};

struct StopLane {};

using ToLane = std::variant<SourceOpened, SourcesTouched, SourceEnded, SourceReleased,
                            SourceVanished, FileGivenUp, CopyFound, StartScanned, StopLane>;

/// A lane cannot go on: the process exits with this status after printing the sentence.
struct LaneStopped {
  LaneId lane;
  int exit_status = 0;
  std::string message;
  bool restart = false;  ///< The checkpoint's handle is dead: start again with a fresh database.
};

/// The source's file was truncated: is there a copy of what stood in it? Answered by CopyFound.
struct LookForCopy {
  SourceId source;
};

using ToWatch = std::variant<LaneStopped, LookForCopy>;

}  // namespace longshore::agent
