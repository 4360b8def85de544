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
#include "config/result.h"

namespace longshore::agent {

/// How paths below one root are named: for the mount table, and in what we report.
struct HostTree {
  const HostMounts* mounts = nullptr;
  std::string seen_prefix;      ///< "" or "/host": before a path for the table's owner.
  std::string reported_prefix;  ///< "" or "tmpfs:<container id>:": before a path for the source id.
  std::shared_ptr<Fd> root;     ///< O_PATH.
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

/// "/a" + "b" = "/a/b"; "/" + "b" = "/b".
std::string join_path(const std::string& directory, const std::string& name);

/// The components of a path; empty ones and "." left out.
std::vector<std::string> split_path(const std::string& path);

/// Absolute, without ".." and NUL bytes, not longer than a path may be: fit for being walked.
bool is_plain_path(const std::string& path);

/// Opens the host's root as it is seen at `host_root`. Errors: kInvalid (its file system),
/// kRetryable.
Result<HostDir> open_tree(std::string host_root, const HostMounts& mounts);

/// Errors: kNotFound; kInvalid: it is a mount that may not be touched; kRetryable: anything else.
Result<OpenedName> open_name(const HostDir& directory, const std::string& name);

/// The same without looking at what was opened: for walking through.
Result<Fd> open_name_only(const HostDir& directory, const std::string& name);

/// The directory `path` below `directory`, entered component by component. REQUIRES: is_plain_path.
/// Errors: as open_name(); a symlink on the way is kNotFound.
Result<HostDir> open_below(const HostDir& directory, const std::string& path);

/// O_RDONLY on the same inode that an O_PATH descriptor holds, never blocking, access time kept
/// where that is allowed. REQUIRES: a regular file or a directory. Errors: kRetryable.
Result<Fd> reopen_for_reading(const Fd& path_fd);

/// A name in a directory, and what readdir says that it is (DT_UNKNOWN where it does not know).
struct ListedName {
  std::string name;
  unsigned char type = 0;
};

/// At most `names_max` names, unsorted, without "." and "..". Errors: kRetryable.
Result<std::vector<ListedName>> list_names(const HostDir& directory, size_t names_max);

/// What overlayfs noted at an entry of a layer, as trusted.overlay.* or user.overlay.*
struct OverlayMarks {
  bool is_opaque = false;      ///< A directory that hides those of the layers below.
  bool is_redirected = false;  ///< A directory whose lower part has another name.
  bool is_metacopy = false;    ///< A file whose data is in a lower layer.
};
OverlayMarks overlay_marks(const Fd& path_fd);

/// Whether a character device is overlayfs's sign for a deleted name: device 0/0.
bool is_whiteout(const OpenedName& opened);

}  // namespace longshore::agent
