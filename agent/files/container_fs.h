// Finds and opens the files that a container declared, without ever leaving what that container can
// see. The container is hostile: its paths, symlinks, mounts, FIFOs and device nodes are data.
//
//   pattern in the container --> walk, one component at a time --> files with their host paths
//
// A walk keeps the virtual path (as the container sees it) and the stack of host directories that
// are merged there: [upper, lower...] of an overlay, or the one directory of a mount. At each step
// the mount with the longest matching destination wins; a symlink restarts the walk at its target
// as the container would resolve it, under the kernel's protected-symlinks rule (the link is owned
// by root or by the target's owner). Nothing is ever opened through a name that the kernel resolves
// by itself: each step is one component, O_PATH|O_NOFOLLOW.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/files/host_dir.h"
#include "agent/files/host_mounts.h"
#include "agent/files/slice.h"
#include "checkpoint/file_identity.h"
#include "config/fd.h"
#include "config/result.h"

namespace longshore::agent {

/// A bind mount, volume or tmpfs of the container.
struct FsMount {
  std::string destination;  ///< Absolute, in the container.
  std::string source;       ///< Absolute, on the host. Empty: reached through the live process.
};

/// Where a container's files are. For files of the host itself: one layer "/", no mounts.
struct FsSpec {
  std::string container_id;         ///< Empty for the host itself.
  std::vector<std::string> layers;  ///< Host directories, upper first. Empty: unknown driver.
  bool layers_are_overlay =
      true;  ///< Only files of layers[0] count; whiteouts and opaque dirs apply.
  std::vector<FsMount> mounts;
  int pid = 0;                                          ///< Of its init; 0 when it does not run.
  bool reads_trusted_marks = can_read_trusted_marks();  ///< Of the layers; otherwise only user.*.
};

/// The name of a log that is reached through a symlink: the path of the first symlink on the way
/// and the names after it. It stays when the link is turned. Where the link stands on a mount and
/// its target elsewhere, each container has a name of its own for it: they may see another target.
struct LogName {
  std::string host_path;
  std::string container_path;
  explicit operator bool() const { return !host_path.empty(); }
};

/// A regular file that matches. One that matches by its own name is not a symlink's.
struct FoundFile {
  std::string container_path;     ///< As the container names it, after all symlinks.
  std::string host_path;          ///< Canonical on the host.
  std::shared_ptr<Fd> directory;  ///< O_PATH|O_DIRECTORY: the host directory that holds it.
  std::string file_name;          ///< Its name in there.
  checkpoint::FileFacts facts;
  /// Size of the same file in the image's layers, if the file still begins with those bytes: that
  /// part is not a log. 0 if the file was emptied or replaced.
  uint64_t image_bytes = 0;
  LogName log = {};  ///< Where a symlink leads to it.

  /// What the source id is made of.
  const std::string& log_path() const { return log ? log.host_path : host_path; }
};

/// A directory in which a change may change what the pattern finds. Where the rest of a path does
/// not exist yet, its deepest existing directory.
struct WatchDir {
  std::string host_path;
  std::shared_ptr<Fd> directory;  ///< O_PATH|O_DIRECTORY.
  checkpoint::FileIdentity identity;
  std::string
      container_path;  ///< Of one that may hold matching files; empty for one on the way there.
  LogName log = {};    ///< Of such a one, where a symlink leads to it.

  /// What the source ids of its logs are made of.
  const std::string& log_path() const { return log ? log.host_path : host_path; }
};

/// What matched, or was on the way, and is not in a scan's result: one of the limits.
struct Refused {
  uint64_t files = 0;        ///< Older than those in the result.
  uint64_t directories = 0;  ///< The same.
  bool names = false;        ///< Nobody knows what else there is: the scan gave up.
  bool any() const { return files > 0 || directories > 0 || names; }
};

struct ScanResult {
  std::vector<FoundFile> files;  ///< Sorted by host path.
  std::vector<WatchDir> directories;
  std::vector<std::string>
      problems;  ///< One sentence each: refused symlink, not a regular file, file system.
  Refused refused;
  /// As problems, but those that come while a container is being removed.
  std::vector<std::string> missing;
  bool is_passing = false;  ///< No event tells when the result changes: scan again soon.
  /// The logs that symlinks name, by LogName::host_path; also where a link leads to nothing.
  std::map<std::string, LogName> linked;
};

/// What its owner wants to know of a file that a scan meets.
enum class Interest : uint8_t {
  kNone,   ///< Nothing: it was collected, and has not changed since.
  kKnown,  ///< It is collected at present: it belongs into the result.
  kNew,    ///< The newest kFilesPerDeclarationMax of these belong into the result.
};
using Interests = std::function<Interest(const checkpoint::FileFacts&)>;

/// A scan that is done in slices. Its ContainerFs must outlive it. Thread: the watch loop.
class PathScan {
 public:
  virtual ~PathScan() = default;
  /// Goes on until the slice is used up. True: the scan is complete.
  virtual bool go_on(Slice& slice) = 0;
  /// REQUIRES: it is complete.
  virtual ScanResult take() = 0;
};

/// Thread: the watch loop. Holds no descriptor between scans.
class ContainerFs {
 public:
  /// `host_root` is where the host's root is seen from here ("/" or, in a container, "/host").
  ContainerFs(FsSpec spec, std::string host_root, const HostMounts& mounts);

  /// Expands `pattern` (absolute; `*`, `?`, `[...]` within a component, `**` as a whole component
  /// for any depth up to 16) and leaves out what `exclude` matches. Blocks on nothing but local
  /// directories. Of more than kFilesPerDeclarationMax files or kScanDirectoriesMax directories the
  /// newest ones are kept; beyond kScanNamesMax names it gives up. Refresh `mounts` first: a mount
  /// that it does not list is not entered.
  std::unique_ptr<PathScan> begin_scan(const std::string& pattern, const std::string& exclude,
                                       Interests interests) const;
  /// The same, all at once.
  ScanResult scan(const std::string& pattern, const std::string& exclude) const;

  const FsSpec& spec() const { return spec_; }

 private:
  FsSpec spec_;
  std::string host_root_;
  const HostMounts& mounts_;
};

/// Opens `name` in `directory` for reading: O_NONBLOCK|O_NOCTTY|O_CLOEXEC, O_NOATIME where allowed.
/// It is held by O_PATH|O_NOFOLLOW first and opened through that descriptor only if it is still the
/// regular file `expected`: a FIFO or device that took its place is never opened.
/// Errors: kNotFound (gone or replaced), kFull (no descriptor left), kRetryable.
Result<Fd> open_found(const Fd& directory, const std::string& name,
                      const checkpoint::FileIdentity& expected);

}  // namespace longshore::agent
