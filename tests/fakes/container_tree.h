// Directories that serve as a container's layers and mounts, made below one temporary directory.
#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "agent/files/container_fs.h"

namespace longshore::agent {

/// The layers "upper" and "lower" exist from the start; tests add the rest with `file`,
/// `directory` and others, whose paths are relative to the tree. Thread: the test's.
class ContainerTree {
 public:
  ContainerTree() {
    std::string name = std::filesystem::temp_directory_path().string() + "/container.XXXXXX";
    path_ = ::mkdtemp(name.data());
    directory("upper");
    directory("lower");
  }
  ~ContainerTree() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ContainerTree(const ContainerTree&) = delete;
  ContainerTree& operator=(const ContainerTree&) = delete;

  std::string path(const std::string& relative) const { return path_ + "/" + relative; }

  void directory(const std::string& relative) const {
    std::filesystem::create_directories(path(relative));
  }
  void file(const std::string& relative, const std::string& content = "line\n") const {
    std::filesystem::create_directories(std::filesystem::path(path(relative)).parent_path());
    std::ofstream(path(relative)) << content;
  }
  void link(const std::string& relative, const std::string& target) const {
    std::filesystem::create_directories(std::filesystem::path(path(relative)).parent_path());
    std::filesystem::create_symlink(target, path(relative));
  }
  /// `mode` with its type: S_IFIFO | 0600.
  bool node(const std::string& relative, mode_t mode, dev_t device = 0) const {
    std::filesystem::create_directories(std::filesystem::path(path(relative)).parent_path());
    return ::mknod(path(relative).c_str(), mode, device) == 0;
  }
  bool own(const std::string& relative, uid_t owner) const {
    return ::lchown(path(relative).c_str(), owner, owner) == 0;
  }
  void remove(const std::string& relative) const { std::filesystem::remove_all(path(relative)); }

  /// An overlay of "upper" over "lower".
  FsSpec spec() const {
    FsSpec spec;
    spec.container_id = "c0ffee";
    spec.layers = {path("upper"), path("lower")};
    return spec;
  }
  ScanResult scan(const std::string& pattern, const std::string& exclude = "") const {
    return scan(spec(), pattern, exclude);
  }
  ScanResult scan(const FsSpec& spec, const std::string& pattern,
                  const std::string& exclude = "") const {
    const HostMounts mounts({});
    return ContainerFs(spec, "/", mounts).scan(pattern, exclude);
  }

 private:
  std::string path_;
};

inline std::vector<std::string> container_paths(const ScanResult& result) {
  std::vector<std::string> paths;
  for (const FoundFile& file : result.files) paths.push_back(file.container_path);
  std::sort(paths.begin(), paths.end());
  return paths;
}

inline std::vector<std::string> watched(const ScanResult& result) {
  std::vector<std::string> paths;
  for (const WatchDir& each : result.directories) paths.push_back(each.host_path);
  std::sort(paths.begin(), paths.end());
  return paths;
}

}  // namespace longshore::agent
