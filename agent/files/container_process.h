// What only the running init process of a container can tell: its tmpfs mounts, and the layers of
// its overlay where Docker's API does not name them (containerd's image store).
//
// A pid may be reused, so the process is used through one descriptor of /proc/<pid>, and only if
// its control group or the root of a mount names the container. A container's mount table is
// hostile too (with CAP_SYS_ADMIN it can mount an overlay with any option string): layers are
// trusted only if the host's mount table lists the same overlay.
#pragma once

#include <string>
#include <vector>

#include "agent/files/host_dir.h"
#include "agent/files/host_mounts.h"
#include "config/fd.h"
#include "config/result.h"

namespace longshore::agent {

/// Host directories of the overlay that is the root of `pid`, upper first, with the overlay's own
/// relative names made absolute. `host_table` must list the same overlay.
/// Errors: kNotFound: no such process, not an overlay, or not mounted by the host.
Result<std::vector<std::string>> overlay_layers_of(
    int pid, const std::string& host_table = "/proc/self/mountinfo");

/// The layers in an overlay's mount options: "rw,lowerdir=/l2:/l1,upperdir=/u,workdir=/w". Empty
/// without an upper directory.
std::vector<std::string> parse_overlay_layers(const std::string& super_options);

/// One live process, held by a descriptor, with the root and the mounts that it sees.
/// Thread: the watch loop.
class ContainerProcess {
 public:
  /// `host` is the host's own root: a process with that root belongs to no container.
  /// Errors: kNotFound: gone, or the pid belongs to something else.
  static Result<ContainerProcess> open(int pid, const std::string& container_id,
                                       const HostDir& host);

  /// What is mounted at `destination` in the container. Errors: kNotFound (nothing), kInvalid (its
  /// file system is not admitted), kRetryable.
  Result<HostDir> open_mount(const std::string& destination) const;
  /// The inode number that `path` has in the container; no symlink is followed. Errors: kNotFound,
  /// kInvalid, kRetryable.
  Result<uint64_t> inode_of(const std::string& path) const;

 private:
  explicit ContainerProcess(HostMounts mounts)
      : mounts_(std::make_shared<HostMounts>(std::move(mounts))) {}

  Fd process_;  // O_PATH on /proc/<pid>.
  std::shared_ptr<HostMounts> mounts_;
  std::shared_ptr<HostTree> tree_;
};

}  // namespace longshore::agent
