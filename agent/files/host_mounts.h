// Which mounts may be touched. A path is judged by the mount table alone, before any system call
// uses it: one stat on a mount whose NFS server is dead would hang the watch loop.
//
//   /proc/<pid>/mountinfo --> MountEntry list --> the mount that a path lies on --> admitted or not
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "config/result.h"

namespace longshore::agent {

/// One line of mountinfo (proc(5)):
///   36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
///   id parent dev root point options tags... - type source super-options
struct MountEntry {
  uint64_t id = 0;
  uint64_t parent = 0;
  std::string device;  ///< "major:minor".
  std::string root;    ///< Of the mount within its file system.
  std::string point;   ///< Where the process sees it; escapes undone.
  std::string type;
  std::string super_options;  ///< Escapes kept: a comma within a value is written \054.
};

/// Undoes mountinfo's octal escapes (\040 and the like).
std::string unescape_octal(std::string_view text);

/// Lines that do not parse are skipped.
std::vector<MountEntry> parse_mountinfo(std::string_view text);

/// Reads a file of /proc whole, up to kProcFileBytesMax. Errors: kNotFound.
Result<std::string> read_proc_file(const std::string& path);

/// Which mounts of the host may be touched: /proc/self/mountinfo, read again when it changes.
/// Thread: the watch loop.
class HostMounts {
 public:
  /// `allowed` are file system types in addition to the known local ones (ext*, xfs, btrfs, zfs,
  /// f2fs, overlay, tmpfs). `mountinfo_path` is for tests and for a container's own table.
  explicit HostMounts(std::vector<std::string> allowed,
                      std::string mountinfo_path = "/proc/self/mountinfo");

  /// Reads the table again; keeps the old one if that fails.
  void refresh();

  /// The type of the file system that `path` lies on, if it may be touched. Touches nothing.
  /// `path` is as the owner of the table sees it: with `--host-root /host` the caller writes
  /// /host/var/..., as the agent's own mountinfo does.
  /// Errors: kInvalid, naming type and mount point.
  Result<std::string> admits(const std::string& path) const;

  /// The mount that `path` lies on, the way the kernel would walk there: from the root mount into
  /// the nearest child mount on the path, and so on. nullptr: the table does not say.
  const MountEntry* mount_of(const std::string& path) const;

  const std::vector<MountEntry>& entries() const { return entries_; }
  const std::vector<std::string>& allowed() const { return allowed_; }

 private:
  const MountEntry* nearest_child(const MountEntry& mount, const std::string& path) const;

  std::vector<std::string> allowed_;
  std::string mountinfo_path_;
  std::string text_;
  std::vector<MountEntry> entries_;
};

/// Whether `path` is `prefix` or lies below it, component by component.
bool lies_within(std::string_view path, std::string_view prefix);

}  // namespace longshore::agent
