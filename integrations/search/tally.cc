#include "integrations/search/tally.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>

namespace longshore::search {
namespace {

constexpr size_t kBodyBytesMin = 16 << 10;
constexpr size_t kIndexesKnownMax = 4096;
constexpr int64_t kSilenceMs = 10'000;

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
  if (plain_.size() >= kIndexesKnownMax) plain_.clear();  // They are asked for again.
  plain_.insert(index);
}

void Learned::complain(const std::string& sentence) {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  const int64_t now_ms = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  const std::lock_guard lock(mutex_);
  if (said_ms_ != 0 && now_ms - said_ms_ < kSilenceMs) {
    unsaid_ += 1;
    return;
  }
  if (unsaid_ > 0) {
    spdlog::warn("{} ({} like it were not said)", sentence, unsaid_);
  } else {
    spdlog::warn("{}", sentence);
  }
  said_ms_ = now_ms;
  unsaid_ = 0;
}

}  // namespace longshore::search
