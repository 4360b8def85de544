// What statx(2) and fstat(2) say of the simulated applications' files: inode numbers and times of
// the simulation instead of this machine's, so that a run does not depend on when and where it
// runs. Both calls are answered by this program in place of libc's; files that were not named here
// are answered by the kernel.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <utility>

namespace longshore::simulation {

/// Thread: the run's. One at a time: the two functions of libc know no object.
class VirtualFiles {
 public:
  VirtualFiles();
  ~VirtualFiles();
  VirtualFiles(const VirtualFiles&) = delete;
  VirtualFiles& operator=(const VirtualFiles&) = delete;

  struct Facts {
    uint64_t inode = 0;
    int64_t birth_ns = 0, modified_ns = 0, changed_ns = 0;
  };
  using Key = std::pair<dev_t, ino_t>;

  /// The file or directory at `path` is new: the kernel may use an inode again. Gives its number
  /// here.
  uint64_t made(const std::string& path, int64_t now_ns);
  void changed(const std::string& path, int64_t now_ns);
  void changed(int fd, int64_t now_ns);
  void renamed(const std::string& to, int64_t now_ns);
  const Facts* find(const Key& key) const;
  /// Of the kernel.
  static Key key_of(const std::string& path);
  static Key key_of(int fd);

 private:
  void touch(const Key& key, int64_t now_ns);

  std::map<Key, Facts> facts_;
  uint64_t inodes_ = 1000;
};

}  // namespace longshore::simulation
