// What the checkpoint remembers of one source as of one transaction.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "checkpoint/file_identity.h"
#include "checkpoint/marks.h"
#include "config/ids.h"

namespace longshore::checkpoint {

/// A source as `longshore checkpoint ls` shows it, written once when it is first seen and again
/// when its declarer changes.
struct SourceRow {
  SourceId id;
  LaneId lane;
  std::string host_path;     ///< Canonical path on the host.
  std::string stream;        ///< "", "stdout" or "stderr".
  std::string name;          ///< The declaration's.
  std::string container_id;  ///< Empty for files of the host.
  std::string container_name;
  int64_t first_seen_ns = 0;
  int64_t gone_ns = 0;  ///< When its file was seen to be gone; 0 while it is there.
};

/// The state that a rewind returns to. A record's range is in Positions (bytes of the stream);
/// `offset` is in bytes of the current generation's file.
struct SourceState {
  uint64_t generation = 0;  ///< 0, 1, 2, ...: how many files this lineage has been rotated through.
  FileIdentity file;        ///< The generation being read; device 0 and inode 0: none yet.
  Position base;            ///< The stream position of the generation's first byte.
  uint64_t offset = 0;      ///< The next read starts here; everything before was shipped.
  Position covered;         ///< Where the next record begins; at most base + offset.
  uint32_t part = 0;        ///< How many parts of the line at `offset` were shipped already.
  bool gap_pending = false;  ///< The next record carries the flag that a gap precedes it.
  bool ended = false;        ///< The ledger says that it ended here.
  uint64_t seen_bytes = 0;   ///< The generation's size when this was stored.
  uint64_t boot = 0;         ///< Hash of the boot in which the file was last seen to be as it was.
  std::string topic;         ///< Where `partition` counts. Empty: nothing shipped yet.
  int32_t partition = -1;
  std::string tail;                  ///< The up to kOverlapBytes bytes of the file before `offset`.
  MarkList marks;                    ///< Proof of the file's content up to `offset`.
  std::vector<FileIdentity> closed;  ///< Generations read to their end, newest last, bounded.
  bool operator==(const SourceState&) const = default;
};

}  // namespace longshore::checkpoint
