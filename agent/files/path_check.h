// Whether paths of the host still lead where they led: a directory above may have been renamed, and
// a file system mounted over it. inotify reports neither to a watch below.
#pragma once

#include <string>
#include <vector>

#include "agent/files/host_dir.h"
#include "agent/files/host_mounts.h"
#include "checkpoint/file_identity.h"
#include "config/result.h"

namespace longshore::agent {

/// Lives for some checks. Ask for paths in sorted order: the directories that one shares with the
/// next are opened once. Thread: the watch loop.
class PathCheck {
 public:
  PathCheck(const std::string& host_root, const HostMounts& mounts)
      : host_(open_tree(host_root, mounts)) {}

  /// Whether `path` leads to the directory `identity`, or that cannot be told now.
  /// REQUIRES: is_plain_path(path).
  bool leads_to(const std::string& path, const checkpoint::FileIdentity& identity);

 private:
  Result<HostDir> host_;
  std::vector<HostDir> chain_;  // The directories down to the last path, the host's root first.
};

}  // namespace longshore::agent
