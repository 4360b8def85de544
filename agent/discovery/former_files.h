// Looks for files of a log that do not stand where its newest file stands: the former target of a
// symlink, what a renamed directory took along. A path says where to look first; device, inode and
// birth time say which file it is.
//
//   LogScanner --find(identity), between()--> FormerFiles --> host directories, one name at a time
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/discovery/directory_look.h"
#include "agent/files/container_fs.h"
#include "agent/files/host_dir.h"
#include "agent/files/host_mounts.h"
#include "config/limits.h"

namespace longshore::agent {

/// A file, the directory that holds it and its path on the host.
struct FormerFile {
  std::shared_ptr<Fd> directory;
  NamedFile file;
  std::string host_path;
};

/// Lives for one scan, whose steps it bounds. No symlink is followed: a container may have made it.
/// Thread: the watch loop.
class FormerFiles {
 public:
  FormerFiles(const std::string& host_root, const HostMounts& mounts)
      : host_root_(host_root), mounts_(mounts) {}

  /// The file `identity`, which stood at `last_path`: in that directory, in one of `directories`,
  /// below them, or at the same place below a directory that was renamed. Beyond its own directory
  /// a file is looked for until one of that directory could not be found.
  std::optional<FormerFile> find(const checkpoint::FileIdentity& identity,
                                 const std::string& last_path,
                                 const std::vector<WatchDir>& directories);
  /// The files whose paths belong to the family of two targets of a link, `from` and `to`, and that
  /// were born after `from` and were last written to before `to` was: the targets between them,
  /// oldest first, without those that `is_known`. Only files below `directories`, in which the
  /// owner of the log may look. Empty: the two paths belong to no family.
  using IsKnown = std::function<bool(const checkpoint::FileIdentity&)>;
  using Found = std::optional<std::vector<FormerFile>>;
  Found between(const FormerFile& from, const FormerFile& to,
                const std::vector<WatchDir>& directories, const IsKnown& is_known);
  /// The same, of a log that stands at the path of `to`: the files that were moved away from there
  /// as `from` was, under paths that differ from its path in their numbers only. `anywhere`: not
  /// only below `directories`. Empty: the path does not tell where they may be.
  Found moved(const FormerFile& from, const FormerFile& to,
              const std::vector<WatchDir>& directories, bool anywhere, const IsKnown& is_known);
  /// The same, of the files that the link `link_path` may have led to before the first that is
  /// known, and that were written to after `since_ns`.
  std::vector<FormerFile> before(const FormerFile& first, const std::string& link_path,
                                 int64_t since_ns, const std::vector<WatchDir>& directories,
                                 const IsKnown& is_known);

 private:
  bool spend(size_t steps);
  const HostDir* host();
  std::optional<HostDir> enter(const HostDir& directory, const std::string& path);
  std::optional<FormerFile> in_parent(const std::string& path,
                                      const checkpoint::FileIdentity& identity);
  std::optional<FormerFile> below(const std::vector<WatchDir>& directories,
                                  const checkpoint::FileIdentity& identity);
  std::optional<FormerFile> beside(const std::string& last_path,
                                   const checkpoint::FileIdentity& identity);
  std::vector<FormerFile> family(const std::string& common, const FormerFile& last,
                                 const std::vector<class NameFamily>& families,
                                 const IsKnown& is_known);
  void gather(const HostDir& at, size_t index, const std::vector<class NameFamily>& families,
              std::vector<FormerFile>& found);

  const std::string& host_root_;
  const HostMounts& mounts_;
  std::optional<Result<HostDir>> host_;
  size_t steps_left_ = limits::kFormerStepsMax;
  struct Parent {
    std::optional<HostDir> directory;
    DirectoryLook look;
  };
  std::map<std::string, Parent> parents_;  // Directories in which files stood, by path.
  std::set<std::string> searched_;         // Those whose files are nowhere else.
  std::string moved_from_, moved_to_;      // The renamed directory that was found last.
};

}  // namespace longshore::agent
