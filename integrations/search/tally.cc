#include "integrations/search/tally.h"

#include <algorithm>

namespace longshore::search {
namespace {

constexpr size_t kBodyBytesMin = 16 << 10;
constexpr size_t kIndexesKnownMax = 4096;

}  // namespace

void Learned::refused_body(size_t bytes) {
  const size_t allowed = std::max(bytes / 2, kBodyBytesMin);
  size_t known = body_bytes_max_.load();
  while (allowed < known && !body_bytes_max_.compare_exchange_weak(known, allowed)) continue;
}

bool Learned::is_plain(const std::string& index) const {
  const std::lock_guard lock(mutex_);
  return plain_.contains(index);
}

void Learned::set_plain(const std::string& index) {
  const std::lock_guard lock(mutex_);
  if (plain_.size() >= kIndexesKnownMax) plain_.clear();  // They are checked again.
  plain_.insert(index);
}

bool Learned::is_troubled(const std::string& index) const {
  const std::lock_guard lock(mutex_);
  return troubled_.contains(index);
}

void Learned::set_troubled(const std::string& index, bool troubled) {
  const std::lock_guard lock(mutex_);
  if (troubled_.size() >= kIndexesKnownMax) troubled_.clear();  // They are found out again.
  if (troubled) {
    troubled_.insert(index);
  } else {
    troubled_.erase(index);
  }
}

}  // namespace longshore::search
