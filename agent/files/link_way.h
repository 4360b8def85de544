// The way through a symlink: what names the log that stands at its end.
#pragma once

#include <string>

#include "agent/files/container_fs.h"
#include "config/path.h"

namespace longshore::agent {

/// How a place was reached after the first symlink on the way: by names.
struct Way {
  explicit operator bool() const { return !container_path.empty(); }

  /// One name further.
  Way then(const std::string& name, const FsMount* to) const {
    if (!*this) return {};
    return {.container_path = join_path(container_path, name),
            .host_path = join_path(host_path, name),
            .mount = mount,
            .left_mount = left_mount || to != mount};
  }

  std::string container_path;  ///< Empty: no symlink on the way.
  std::string host_path;       ///< Where the link stands on a mount.
  const FsMount* mount = nullptr;
  bool left_mount = false;
};

}  // namespace longshore::agent
