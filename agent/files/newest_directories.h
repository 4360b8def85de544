// Chooses the directories that a scan looks into when there are more than it may hold open: the
// newest ones, and those on the way to them.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <unordered_set>
#include <vector>

#include "checkpoint/file_identity.h"

namespace longshore::agent {

/// Thread: the watch loop.
class NewestDirectories {
 public:
  struct Directory {
    int64_t modified_ns = 0;  ///< When a name was added to it or removed.
    checkpoint::FileIdentity identity;
    std::string path;  ///< As the pattern leads there.
  };

  void add(Directory directory);
  /// No more are added.
  void choose();
  /// REQUIRES: choose() was called.
  bool is_chosen(const checkpoint::FileIdentity& identity, const std::string& path) const {
    return identities_.contains(identity) || paths_.contains(path);
  }

 private:
  std::vector<Directory> newest_;       // A heap, the oldest first.
  std::unordered_set<uint64_t> added_;  // Hashes of paths.
  std::set<checkpoint::FileIdentity> identities_;
  std::set<std::string> paths_;
};

}  // namespace longshore::agent
