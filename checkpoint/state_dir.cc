#include "checkpoint/state_dir.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <sstream>

#include "config/clock.h"
#include "config/limits.h"
#include "config/time_text.h"

namespace longshore::checkpoint {
namespace {

constexpr int64_t kNanosPerSecond = 1'000'000'000;

// File systems that are lost with a reboot or with their container, or whose locks and syncs are
// weaker than a local disk's. Numbers that linux/magic.h lacks are in statfs(2).
const char* unfit_file_system(uint64_t magic) {
  switch (magic) {
    case OVERLAYFS_SUPER_MAGIC:
      return "overlay (a container's own, gone with it)";
    case TMPFS_MAGIC:
      return "tmpfs (memory, gone after a reboot)";
    case RAMFS_MAGIC:
      return "ramfs (memory, gone after a reboot)";
    case NFS_SUPER_MAGIC:
      return "nfs (a network file system)";
    case SMB_SUPER_MAGIC:
    case CIFS_SUPER_MAGIC:
    case SMB2_SUPER_MAGIC:
      return "cifs (a network file system)";
    case CEPH_SUPER_MAGIC:
      return "ceph (a network file system)";
    case V9FS_MAGIC:
      return "9p (a network file system)";
    case FUSE_SUPER_MAGIC:
      return "fuse (a network file system, or one in a process)";
    case AFS_SUPER_MAGIC:
    case AFS_FS_MAGIC:
      return "afs (a network file system)";
    case CODA_SUPER_MAGIC:
      return "coda (a network file system)";
    case 0x0bd00bd0:
      return "lustre (a network file system)";
    case 0x01161970:
      return "gfs2 (a network file system)";
    case OCFS2_SUPER_MAGIC:
      return "ocfs2 (a network file system)";
    default:
      return nullptr;
  }
}

Error not_writable(const std::string& path, const std::string& what) {
  const int error = errno;
  const std::string dir = "The state directory " + path;
  const std::string why = ": " + what + ": " + std::strerror(error) + ". ";
  if (error == ENOSPC || error == EDQUOT) {
    return {ErrorCode::kRetryable, dir + " has no space left" + why +
                                       "Free space on its file system, or choose another "
                                       "--state-dir."};
  }
  if (error == EROFS) {
    return invalid(dir + " is not writable, because its file system is read-only" + why +
                   "Mount it writable (under systemd name it in StateDirectory= or "
                   "ReadWritePaths=), or choose another --state-dir.");
  }
  return invalid(dir + " is not writable for user id " + std::to_string(::geteuid()) + why +
                 "Give the agent write access to it, or choose another --state-dir.");
}

Status check_file_system(const std::string& path, const std::string& checked) {
  struct statfs facts {};
  if (::statfs(checked.c_str(), &facts) != 0) {
    return invalid("The state directory " + path + " cannot be examined: " + std::strerror(errno) +
                   ". Choose another --state-dir.");
  }
  const char* unfit = unfit_file_system(static_cast<uint32_t>(facts.f_type));
  if (unfit == nullptr) return ok();
  return invalid("The state directory " + path + " is on " + unfit +
                 ", where checkpoints do not last. Choose a --state-dir on a local disk (in a "
                 "container: mount one from the host), or accept duplicates after a restart with "
                 "--ephemeral-state.");
}

// Creates the directory if it is missing, after checking its parent's file system.
Status make_dir(const std::string& path, bool ephemeral_allowed) {
  struct stat facts {};
  const bool there = ::stat(path.c_str(), &facts) == 0;
  if (!there && errno != ENOENT) {
    return invalid("The state directory " + path + " cannot be opened: " + std::strerror(errno) +
                   ". Choose another --state-dir.");
  }
  if (there && !S_ISDIR(facts.st_mode)) {
    return invalid("The state directory " + path +
                   " is not a directory: choose another --state-dir.");
  }
  const std::filesystem::path whole = std::filesystem::absolute(path).lexically_normal();
  const std::string parent =
      (whole.has_filename() ? whole : whole.parent_path()).parent_path().string();
  if (!there && ::access(parent.c_str(), F_OK) != 0) {
    return invalid("The state directory " + path + " does not exist, and neither does " + parent +
                   ": create it, or choose another --state-dir.");
  }
  if (!ephemeral_allowed) {
    if (Status fit = check_file_system(path, there ? path : parent); !fit) return fit;
  }
  if (!there && ::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
    return not_writable(path, "mkdir");
  // A power loss must not take the directory with everything synced in it, so its parent is synced.
  // An earlier process may have created it and died before this fsync. If the operator created it,
  // its parent may be unreadable to us.
  const Fd above(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if ((!above || ::fsync(above.get()) != 0) && !there) return not_writable(path, "fsync");
  return ok();
}

// The lock's content: our pid and the present time.
//
//   17 1764403200\n
Status sign_lock(int lock_fd, const std::string& path) {
  const std::string text = std::to_string(::getpid()) + " " +
                           std::to_string(SystemClock().wall_ns() / kNanosPerSecond) + "\n";
  if (::ftruncate(lock_fd, 0) == 0 &&
      ::pwrite(lock_fd, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()))
    return ok();
  return not_writable(path, "write of its lock");
}

// The process that holds the lock: "pid 17, started 2026-11-29T08:00:00Z". Its command line may
// hold secrets, so it is not shown.
std::string holder_of(int lock_fd) {
  char text[64] = {};
  const ssize_t got = ::pread(lock_fd, text, sizeof text - 1, 0);
  long pid = 0;
  int64_t started_s = 0;
  std::istringstream(std::string(text, got > 0 ? static_cast<size_t>(got) : 0)) >> pid >> started_s;
  if (pid <= 0) return "another process";
  const std::string holder = "pid " + std::to_string(pid);
  return started_s <= 0 ? holder : holder + ", started " + utc_text_of_seconds(started_s);
}

// Only a write that reaches the disk shows that there is space and that the disk works.
Status probe(const std::string& path) {
  const std::string name = path + "/probe";
  Status probed = ok();
  {
    const Fd file(::open(name.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!file) return not_writable(path, "open of a file");
    const std::string bytes(limits::kStateProbeBytes, 'x');
    for (size_t done = 0; probed && done < bytes.size();) {
      const ssize_t put = ::write(file.get(), bytes.data() + done, bytes.size() - done);
      if (put < 0 && errno != EINTR) probed = not_writable(path, "write");
      if (put > 0) done += static_cast<size_t>(put);
    }
    if (probed && ::fsync(file.get()) != 0) probed = not_writable(path, "fsync");
  }
  ::unlink(name.c_str());
  return probed;
}

}  // namespace

Result<StateDir> StateDir::open(const std::string& path, bool ephemeral_allowed) {
  if (path.empty())
    return invalid("The name of the state directory is empty: choose a --state-dir.");
  if (Status made = make_dir(path, ephemeral_allowed); !made) return made.error();
  Fd lock(::open((path + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock) return not_writable(path, "open of its lock");
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return not_writable(path, "flock");
    return invalid("The state directory " + path + " is in use by " + holder_of(lock.get()) +
                   ": stop it first, or choose another --state-dir.");
  }
  if (Status named = sign_lock(lock.get(), path); !named) return named.error();
  if (Status probed = probe(path); !probed) return probed.error();
  return StateDir(path, std::move(lock));
}

Result<std::string> host_id(Store& store) {
  auto stored = store.value("host_id");
  if (!stored || !stored.value().empty()) return stored;
  unsigned char bytes[16];
  if (::getrandom(bytes, sizeof bytes, 0) != sizeof bytes) {
    return Error{ErrorCode::kInvalid,
                 "The host's id cannot be created: the kernel returned no random bytes."};
  }
  bytes[6] = static_cast<unsigned char>((bytes[6] & 0x0f) | 0x40);  // Version 4,
  bytes[8] = static_cast<unsigned char>((bytes[8] & 0x3f) | 0x80);  // variant of RFC 4122.
  std::string id;
  for (size_t i = 0; i < sizeof bytes; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) id.push_back('-');
    char hex[3];
    std::snprintf(hex, sizeof hex, "%02x", bytes[i]);
    id += hex;
  }
  if (Status put = store.set_value("host_id", id); !put) return put.error();
  return id;
}

Result<int64_t> last_alive(Store& store, int64_t now_ns) {
  const auto stored = store.value(kAliveValue);
  if (!stored) return stored.error();
  if (!stored.value().empty()) {
    const int64_t alive_ns = std::strtoll(stored.value().c_str(), nullptr, 10);
    return alive_ns > now_ns ? 0 : alive_ns;
  }
  if (Status put = store.set_value(kAliveValue, std::to_string(now_ns)); !put) return put.error();
  return now_ns;
}

Result<Boots> note_boot(Store& store, uint64_t now) {
  const auto stored = store.value(kBootsValue);
  if (!stored) return stored.error();
  Boots boots;
  std::istringstream(stored.value()) >> boots.now >> boots.before;
  if (boots.now == now) return boots;
  boots = {now, boots.now};
  const Status put =
      store.set_value(kBootsValue, std::to_string(now) + " " + std::to_string(boots.before));
  if (!put) return put.error();
  return boots;
}

}  // namespace longshore::checkpoint
