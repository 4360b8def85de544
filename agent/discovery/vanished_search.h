// Looks for the files of sources that the checkpoint knows and no declared log names. Sources whose
// files no longer exist have vanished, and their unread bytes are lost.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "agent/discovery/known_sources.h"
#include "agent/discovery/rotation.h"
#include "agent/files/host_mounts.h"
#include "config/clock.h"

namespace longshore::agent {

/// Thread: the watch loop.
class VanishedSearch {
 public:
  using Vanished = std::vector<std::shared_ptr<const SourceSpec>>;

  VanishedSearch(std::string host_root, const HostMounts& mounts, KnownSources& known,
                 const Rotation& rotation, const Clock& clock)
      : host_root_(std::move(host_root)),
        mounts_(mounts),
        known_(known),
        rotation_(rotation),
        clock_(clock) {}

  /// Each call returns the sources that have vanished since they were last looked for, each source
  /// once. Looks for one file once in kVanishedLookNs, and for `files_max` files at most.
  Vanished look(size_t files_max);

 private:
  const std::string host_root_;
  const HostMounts& mounts_;
  KnownSources& known_;
  const Rotation& rotation_;
  const Clock& clock_;
  int64_t next_look_ns_ = 0;
};

}  // namespace longshore::agent
