// One directory of the host, held open, and the only ways in which a scan may use it. Each opens a
// single component with O_PATH|O_NOFOLLOW: no name is ever resolved by the kernel across a symlink,
// upwards, or into a mount that the table does not admit.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "agent/files/host_mounts.h"
#include "checkpoint/file_identity.h"
#include "config/fd.h"
#include "config/path.h"
#include "config/result.h"

namespace longshore::agent {

/// How paths below one root are written: for the mount table, and in reports.
struct HostTree {
  const HostMounts* mounts = nullptr;
  std::string seen_prefix;  ///< "" or "/host": before a path, for the mount table.
  std::string
      reported_prefix;       ///< "" or "tmpfs:<container id>:": before a path, for the source id.
  std::shared_ptr<Fd> root;  ///< O_PATH.
};

struct HostDir {
  std::shared_ptr<Fd> fd;  ///< O_PATH on a directory.
  std::string path;        ///< Canonical below the tree's root.
  std::shared_ptr<const HostTree> tree;

  std::string reported_path() const { return tree->reported_prefix + path; }
};

/// Something opened by one component: no symlink was followed to it, and it is not open for data.
struct OpenedName {
  Fd fd;  ///< O_PATH.
  checkpoint::FileFacts facts;
};

/// The components of a path, without empty ones and ".".
std::vector<std::string> split_path(const std::string& path);

/// Whether a path can be walked: absolute, without ".." and NUL bytes, not too long.
bool is_plain_path(const std::string& path);

/// Opens the host's root as it is seen at `host_root`. Errors: kInvalid (its file system),
/// kRetryable.
Result<HostDir> open_tree(std::string host_root, const HostMounts& mounts);

/// Opens one name. Errors: kNotFound; kInvalid: a mount that may not be touched; kRetryable:
/// anything else.
Result<OpenedName> open_name(const HostDir& directory, const std::string& name);

/// The same without its facts: for directories on the way.
Result<Fd> open_name_only(const HostDir& directory, const std::string& name);

/// The directory `path` below `directory`, entered component by component. REQUIRES: is_plain_path.
/// Errors: as open_name(); a symlink on the way is kNotFound.
Result<HostDir> open_below(const HostDir& directory, const std::string& path);

/// Opens for reading the inode that an O_PATH descriptor holds. Never blocks, and keeps the access
/// time where that is allowed. REQUIRES: a regular file or a directory. Errors: kRetryable, with
/// what to do about it, but without the name; kFull (no descriptor left).
Result<Fd> reopen_for_reading(const Fd& path_fd);

/// A name in a directory, and its type as readdir reports it, which may be DT_UNKNOWN.
struct ListedName {
  std::string name;
  unsigned char type = 0;
};

/// At most `names_max` names, unsorted, without "." and "..". Errors: kRetryable.
Result<std::vector<ListedName>> list_names(const HostDir& directory, size_t names_max);

/// The marks of overlayfs on an entry of a layer: trusted.overlay.* or user.overlay.*.
struct OverlayMarks {
  bool is_opaque = false;      ///< A directory that hides those of the layers below.
  bool is_redirected = false;  ///< A directory whose lower part has another name.
  bool is_metacopy = false;    ///< A file whose data is in a lower layer.
};
OverlayMarks overlay_marks(const Fd& path_fd);

/// Whether this process may read trusted.overlay.*, which the kernel hides without CAP_SYS_ADMIN.
bool can_read_trusted_marks();

/// Whether the file has a size but no data of its own: no block, and zeros where it is read. So has
/// overlay's metacopy until it is written to.
bool is_hollow(const OpenedName& file);

/// Whether it is overlayfs's mark for a deleted name: the character device 0/0.
bool is_whiteout(const OpenedName& opened);

}  // namespace longshore::agent
