#include "agent/files/newest_directories.h"

#include <xxhash.h>

#include <algorithm>

#include "config/limits.h"
#include "config/path.h"

namespace longshore::agent {
namespace {

bool is_newer(const NewestDirectories::Directory& a, const NewestDirectories::Directory& b) {
  return a.modified_ns > b.modified_ns;
}

uint64_t hash_of(const std::string& path) { return XXH3_64bits(path.data(), path.size()); }

}  // namespace

void NewestDirectories::add(Directory directory) {
  added_.insert(hash_of(directory.path));
  if (newest_.size() == limits::kScanDirectoriesMax) {
    if (directory.modified_ns <= newest_.front().modified_ns) return;
    std::pop_heap(newest_.begin(), newest_.end(), is_newer);
    newest_.pop_back();
  }
  newest_.push_back(std::move(directory));
  std::push_heap(newest_.begin(), newest_.end(), is_newer);
}

void NewestDirectories::choose() {
  std::ranges::sort(newest_, is_newer);
  for (const Directory& each : newest_) {
    // With those above it that the scan looks into as well.
    std::vector<std::string> wanted;
    for (std::string path = each.path;; path = std::string(parent_path(path))) {
      if (paths_.contains(path)) break;
      if (added_.contains(hash_of(path))) wanted.push_back(path);
      if (path == "/" || path.empty()) break;
    }
    if (paths_.size() + wanted.size() > limits::kScanDirectoriesMax) break;
    paths_.insert(wanted.begin(), wanted.end());
    identities_.insert(each.identity);
  }
  newest_.clear();
  added_.clear();
}

}  // namespace longshore::agent
