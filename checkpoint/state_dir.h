// The state directory: checked before anything is trusted to it, locked against a second agent.
#pragma once

#include <string>

#include "checkpoint/store.h"
#include "config/fd.h"
#include "config/result.h"

namespace longshore::checkpoint {

/// Holds the directory's lock while it lives. Thread: any.
class StateDir {
 public:
  /// Creates the directory if its parent exists, refuses overlay, tmpfs and network file systems
  /// unless `ephemeral_allowed`, takes the lock (`<dir>/lock`, flock), writes our pid into it.
  /// Errors: kInvalid, one sentence with the remedy; a held lock names the holder's pid and
  /// command.
  static Result<StateDir> open(const std::string& path, bool ephemeral_allowed);

  const std::string& path() const { return path_; }

 private:
  StateDir(std::string path, Fd lock) : path_(std::move(path)), lock_(std::move(lock)) {}
  std::string path_;
  Fd lock_;
};

/// This host's id: a random UUID (RFC 4122, version 4), made once and kept in `store`.
Result<std::string> host_id(Store& store);

/// When an agent was last known to live here, by the wall clock; the first one lives from now on.
/// 0 where the clock has gone back since: nothing shows what is older then.
Result<int64_t> last_alive(Store& store, int64_t now_ns);

/// Keeps in `store` that an agent runs in the boot `now`.
Result<Boots> note_boot(Store& store, uint64_t now);

}  // namespace longshore::checkpoint
