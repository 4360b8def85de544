// An open log file, as it crosses from the watch loop to a lane.
#pragma once

#include "checkpoint/file_identity.h"
#include "config/fd.h"

namespace longshore::agent {

/// An open log file. Shared by the lane, which reads it, and the watch loop, which checks its size.
/// Immutable.
struct OpenFile {
  Fd fd;
  checkpoint::FileIdentity identity;
};

}  // namespace longshore::agent
