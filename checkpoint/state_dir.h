// The state directory: checked before it is used, and locked against a second agent.
#pragma once

#include <string>

#include "checkpoint/store.h"
#include "config/fd.h"
#include "config/result.h"

namespace longshore::checkpoint {

/// Keeps the directory locked while it exists. Thread: any.
class StateDir {
 public:
  /// Creates the directory if its parent exists, refuses overlay, tmpfs and network file systems
  /// unless `ephemeral_allowed`, takes the lock (flock of `<dir>/lock`) and writes our pid and the
  /// time into it. Errors: kInvalid, one sentence with the remedy and, if another agent has the
  /// lock, its pid and when it started; kRetryable: the disk is full.
  static Result<StateDir> open(const std::string& path, bool ephemeral_allowed);

  const std::string& path() const { return path_; }

 private:
  StateDir(std::string path, Fd lock) : path_(std::move(path)), lock_(std::move(lock)) {}
  std::string path_;
  Fd lock_;
};

/// This host's id: a random UUID (RFC 4122, version 4), created once and kept in `store`.
Result<std::string> host_id(Store& store);

/// When an agent was last known to run here, by the wall clock; for the first agent, `now_ns`. 0 if
/// the clock was set back since: then ages cannot be compared.
Result<int64_t> last_alive(Store& store, int64_t now_ns);

/// Records in `store` that an agent runs in the boot `now`. Returns the newest two boots.
Result<Boots> note_boot(Store& store, uint64_t now);

}  // namespace longshore::checkpoint
