// Which file this is, whatever its name: device, inode and birth time on the host's own file system
// (never those of overlayfs, whose device changes from mount to mount).
#pragma once

#include <compare>
#include <cstdint>

#include "config/result.h"

namespace longshore::checkpoint {

struct FileIdentity {
  uint64_t device = 0;
  uint64_t inode = 0;
  /// Negative on a file system without birth times: a number that differs for each file that reuses
  /// the inode. 0 if the file system offers no such number either.
  int64_t birth_ns = 0;
  auto operator<=>(const FileIdentity&) const = default;

  /// For comparing ages; 0: unknown.
  int64_t born_ns() const { return birth_ns > 0 ? birth_ns : 0; }
};

/// Two looks at a file that give the same stamp found the same content, if the second one came
/// later than the clock that stamps files can tell.
struct FileStamp {
  uint64_t size_bytes = 0;
  int64_t modified_ns = 0;
  int64_t changed_ns = 0;  ///< 0: nothing is known.
  bool operator==(const FileStamp&) const = default;
};

struct FileFacts {
  FileIdentity identity;
  uint64_t size_bytes = 0;
  int64_t modified_ns = 0;  ///< When its content last changed, by the host's clock.
  int64_t changed_ns = 0;   ///< st_ctime: also when it was renamed; nobody can set it back.
  uint32_t mode = 0;        ///< st_mode.
  uint32_t links = 0;       ///< 0: deleted, and only open descriptors keep it.
  uint32_t owner = 0;       ///< st_uid.

  FileStamp stamp() const { return {size_bytes, modified_ns, changed_ns}; }
};

/// statx(2) of an open descriptor (O_PATH will do). Errors: kRetryable.
Result<FileFacts> file_facts(int fd);

/// statx(2) of `name` in the directory `dir_fd`; a symlink is not followed. Errors: kNotFound,
/// kRetryable.
Result<FileFacts> file_facts_at(int dir_fd, const char* name);

/// Whether some process has the file open for writing: only then does the kernel refuse a read
/// lease, which is released at once; fcntl(2), "Leases". Unknown counts as yes. REQUIRES: SIGIO is
/// ignored.
bool has_writer(int fd);

}  // namespace longshore::checkpoint
