// The messages between the watch loop and a lane. Everything that crosses is immutable or moved.
// Both sides name sources by their ids and pass descriptors, never each other's objects.
//
//   watch loop --ToLane--> lane --ToWatch--> watch loop
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <variant>

#include "agent/files/log_file.h"
#include "checkpoint/file_identity.h"
#include "config/declaration.h"
#include "config/ids.h"
#include "config/ledger.h"

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

/// How well it is known that no other generation came and went between one and its predecessor.
enum class Step : uint8_t {
  kAdjacent,  ///< Seen happening, or shown by the names of those that are left.
  kUnproven,  ///< Nothing shows that others were there, and nothing shows that none were.
  kGap,       ///< Others were there and are gone.
};

/// A generation of a source: its first, a successor, or one that was known before a restart.
/// Generations come in the order of the stream.
struct SourceOpened {
  std::shared_ptr<const SourceSpec> spec;
  std::shared_ptr<const OpenFile> file;  ///< Null: only the spec is new (its container runs again).
  uint64_t start_offset = 0;             ///< Where to begin if the source was never seen before.
  Step step = Step::kAdjacent;           ///< From its predecessor.
};

/// These sources may have grown, or their files were renamed or truncated.
struct SourcesTouched {
  std::set<SourceId> sources;
};

/// No process writes to it any more (its container died): an unterminated last line is complete.
/// Also when the container runs again before this is read: the line ends at `size_bytes` of `file`,
/// its newest one. 0: it has been written to since, and nobody knows how long it was.
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

/// The answer to LookForCopy: files that may be copies of the source's file, made before that was
/// truncated (logrotate's copytruncate), oldest first.
struct CopiesFound {
  SourceId source;
  std::vector<std::shared_ptr<const OpenFile>> files;
};

/// A file appeared beside the log of `source` and holds something: is it a copy? Answered by
/// CopyJudged.
struct JudgeCopy {
  SourceId source;
  Stream stream = Stream::kFile;
  std::shared_ptr<const OpenFile> file;
};

/// A limit keeps files of a declared log from being collected: for the ledger. `entry` lacks its
/// time; its lane is the one that is told.
struct LogRefused {
  LedgerEntry entry;
};

/// Every log that was there at the start has been opened: `--once` may finish.
struct StartScanned {};

struct StopLane {};

using ToLane =
    std::variant<SourceOpened, SourcesTouched, SourceEnded, SourceReleased, SourceVanished,
                 FileGivenUp, CopiesFound, JudgeCopy, LogRefused, StartScanned, StopLane>;

/// While a lane is busy or stuck, touches come again and again: one message holds them all.
inline bool join_messages(ToLane& queued, ToLane& next) {
  auto* const into = std::get_if<SourcesTouched>(&queued);
  auto* const from = std::get_if<SourcesTouched>(&next);
  if (into == nullptr || from == nullptr) return false;
  into->sources.merge(from->sources);
  return true;
}

/// A lane ended. With an exit status other than 0 the process prints the sentence and exits with
/// it.
struct LaneStopped {
  LaneId lane;
  int exit_status = 0;
  std::string message;
  bool restart = false;  ///< The database handle is dead: rebuild the checkpoint and start again.
};

/// The source's file was truncated. Is there a copy of its old content? Answered by CopiesFound.
struct LookForCopy {
  SourceId source;
};

enum class CopyVerdict : uint8_t {
  kCopy,       ///< All of it stands in the log, or did before that was truncated.
  kGrownCopy,  ///< It begins with all of the log, and goes on.
  kOther,
};

/// The answer to JudgeCopy, as of a file of `size_bytes`.
struct CopyJudged {
  checkpoint::FileIdentity file;
  Stream stream = Stream::kFile;
  uint64_t size_bytes = 0;
  CopyVerdict verdict = CopyVerdict::kOther;
  uint64_t shipped_bytes = 0;  ///< What was read of the log, if it is a copy that has grown.
};

using ToWatch = std::variant<LaneStopped, LookForCopy, CopyJudged>;

}  // namespace longshore::agent
