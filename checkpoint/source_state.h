// What the checkpoint stores about one source: its row, and its state as of one transaction.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "checkpoint/file_identity.h"
#include "checkpoint/marks.h"
#include "config/ids.h"

namespace longshore::checkpoint {

/// A source as `longshore checkpoint ls` shows it. Written when the source is first seen, and again
/// when its declarer changes.
struct SourceRow {
  SourceId id;
  LaneId lane;
  std::string host_path;     ///< Canonical path on the host.
  std::string stream;        ///< "", "stdout" or "stderr".
  std::string name;          ///< Of the declaration.
  std::string container_id;  ///< Empty for files of the host.
  std::string container_name;
  int64_t first_seen_ns = 0;
  int64_t gone_ns = 0;  ///< When its file was found to be gone; 0 while it exists.
};

/// The beginning of a line of which more is to come: read, but shipped in no record. Docker and CRI
/// cut long lines, and the rest may come much later, or in the next file.
struct BegunLine {
  std::string text;     ///< Empty: no line is begun.
  uint64_t offset = 0;  ///< Where it begins in its file.
  int64_t time_ns = 0;  ///< Of its first piece, since the epoch.
  bool empty() const { return text.empty(); }
  bool operator==(const BegunLine&) const = default;
};

/// Where a closed generation ended, and what its content was, so that it is known again when it was
/// compressed, and when something was written to it later.
struct ClosedEnd {
  uint64_t bytes = 0;  ///< It was read up to here.
  uint64_t head = 0;   ///< MarkList::head; 0: nothing of all this is known.
  uint64_t tail = 0;   ///< XXH3-64 of the overlap before `bytes`.
  bool operator==(const ClosedEnd&) const = default;
};

/// Places of a stream that the ledger has still to name, in one entry: the log was truncated there.
struct Truncations {
  uint64_t count = 0;
  Position first, last;
  uint64_t lost_bytes = 0;  ///< Seen, and not read before they were gone.
  bool operator==(const Truncations&) const = default;
};

/// The state that a rewind returns to. Positions count the bytes of the stream, `offset` those of
/// the current generation's file.
struct SourceState {
  uint64_t generation = 0;   ///< How many files came before: 0, 1, 2, ...
  FileIdentity file;         ///< The generation being read; all zeros: none yet.
  Position base;             ///< The stream position of the generation's first byte.
  uint64_t offset = 0;       ///< The next read starts here: all before it is shipped or in `begun`.
  Position covered;          ///< Where the next record begins; at most base + offset.
  uint32_t part = 0;         ///< How many parts of the line at `covered` were already shipped.
  BegunLine begun;           ///< What was read of that line and not shipped.
  bool gap_pending = false;  ///< The next record gets the flag kFlagGapBefore.
  bool ended = false;        ///< The ledger has an entry that it ended here.
  uint64_t seen_bytes = 0;   ///< The file's size when this was stored; 0: not known.
  uint64_t boot = 0;         ///< Hash of the boot in which the file was last verified.
  std::string file_path;  ///< The log's where `file` stood, if not SourceRow::host_path; or empty.
  std::string topic;      ///< Topic of `partition`. Empty: nothing was shipped yet.
  int32_t partition = -1;
  std::string tail;  ///< The last bytes of the file before `offset`, at most kOverlapBytes.
  MarkList marks;    ///< Proof of the file's content up to `offset`.
  std::vector<FileIdentity> closed;  ///< Generations read to their end, newest last.
  std::vector<ClosedEnd> ends;       ///< Of each of `closed`; fewer: of the newest ones.
  FileStamp stamp;          ///< The file had it when its content was last known to be as read.
  bool settled = false;     ///< The file system's clock had ticked since: a later change shows.
  Truncations truncations;  ///< Not in the ledger yet.
  bool operator==(const SourceState&) const = default;
};

}  // namespace longshore::checkpoint
