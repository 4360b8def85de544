// An open log file, as it crosses from the watch loop to a lane.
#pragma once

#include <string>

#include "agent/files/decompressor.h"
#include "checkpoint/file_identity.h"
#include "config/fd.h"

namespace longshore::agent {

/// An open log file. Shared by the lane, which reads it, and the watch loop, which checks its size.
/// Immutable.
struct OpenFile {
  Fd fd;
  checkpoint::FileIdentity identity;
  /// What the log was called where it stood, if that is not the path that the source is known by
  /// (a symlink, or a directory that was renamed); else empty.
  std::string host_path = {};
  Compression compression = Compression::kNone;
};

}  // namespace longshore::agent
