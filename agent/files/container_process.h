// What the live init of a container tells that nothing else does: its tmpfs mounts, and the layers
// of its overlay where Docker's API is silent (containerd's image store).
//
// A pid is only a number: it is used through one descriptor of /proc/<pid>, and only if its control
// group or a mount's root names the container. The mount table of a container is hostile as well (a
// container with CAP_SYS_ADMIN can mount an overlay with any option string): layers are believed
// only if the same overlay stands in a mount table of the host.
#pragma once

#include <string>
#include <vector>

#include "agent/files/host_dir.h"
#include "agent/files/host_mounts.h"
#include "config/fd.h"
#include "config/result.h"

namespace longshore::agent {

/// Host directories of the overlay that is the root of `pid`, upper first, with the overlay's own
/// relative names made absolute. `host_table` has to know the same overlay.
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
  /// `host` is the host's own root: a process that has that root is none of a container.
  /// Errors: kNotFound: gone, or the pid belongs to something else.
  static Result<ContainerProcess> open(int pid, const std::string& container_id,
                                       const HostDir& host);

  /// What is mounted at `destination` in the container. Errors: kNotFound (nothing is), kInvalid
  /// (its file system is not admitted), kRetryable.
  Result<HostDir> open_mount(const std::string& destination) const;

 private:
  explicit ContainerProcess(HostMounts mounts)
      : mounts_(std::make_shared<HostMounts>(std::move(mounts))) {}

  Fd process_;  // O_PATH on /proc/<pid>.
  std::shared_ptr<HostMounts> mounts_;
  std::shared_ptr<HostTree> tree_;
};

}  // namespace longshore::agent
