// After a failed fsync the kernel may have dropped dirty pages, so the database file is not trusted
// to be durable, whatever a read of it shows. Its rows are copied to a new file, which is synced
// before it takes the old name.
//
//   checkpoint.db --copy--> .new --synced, complete--> .rebuilt --old log removed--> checkpoint.db
//
// The old write-ahead log must be removed before the new file has its name, or it would be replayed
// into it. A crash in between leaves `.rebuilt`, and the next open finishes the rebuild.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "checkpoint/database.h"
#include "checkpoint/store.h"
#include "config/fd.h"

namespace longshore::checkpoint {
namespace {

Error failed(const std::string& what) {
  return {ErrorCode::kInvalid, "The checkpoint cannot be rebuilt: " + what + ": " +
                                   std::strerror(errno) +
                                   ". Check the state directory's disk before starting again."};
}

Status sync_path(const std::string& path, int flags) {
  const Fd fd(::open(path.c_str(), flags | O_CLOEXEC));
  if (!fd || ::fsync(fd.get()) != 0) return failed("fsync of " + path);
  return ok();
}

// REQUIRES: `.rebuilt` is complete and durable.
Status put_in_place(const std::string& state_dir) {
  const std::string path = state_dir + "/checkpoint.db";
  for (const char* suffix : {"-wal", "-shm"}) {
    if (::unlink((path + suffix).c_str()) != 0 && errno != ENOENT) return failed("unlink");
  }
  if (Status synced = sync_path(state_dir, O_RDONLY | O_DIRECTORY); !synced) return synced;
  if (::rename((path + ".rebuilt").c_str(), path.c_str()) != 0) return failed("rename to " + path);
  return sync_path(state_dir, O_RDONLY | O_DIRECTORY);
}

}  // namespace

Status finish_rebuild(const std::string& state_dir) {
  if (::access((state_dir + "/checkpoint.db.rebuilt").c_str(), F_OK) != 0) return ok();
  return put_in_place(state_dir);
}

Status rebuild_store(const std::string& state_dir) {
  const std::string path = state_dir + "/checkpoint.db", fresh = path + ".new";
  if (Status finished = finish_rebuild(state_dir); !finished) return finished;
  ::unlink(fresh.c_str());
  {
    auto database = Database::open(path, false);
    if (!database) return database.error();
    database.value()->leave_log();
    Statement copy = database.value()->prepare("VACUUM INTO ?");
    copy.bind_text(fresh);
    if (Status copied = database.value()->finish(copy); !copied) {
      return Error{ErrorCode::kInvalid, copied.error().message};
    }
  }
  if (Status synced = sync_path(fresh, O_RDWR); !synced) return synced;
  if (::rename(fresh.c_str(), (path + ".rebuilt").c_str()) != 0) return failed("rename");
  if (Status synced = sync_path(state_dir, O_RDONLY | O_DIRECTORY); !synced) return synced;
  return put_in_place(state_dir);
}

}  // namespace longshore::checkpoint
