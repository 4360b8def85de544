#include "integrations/kafka/complaints.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "config/limits.h"

namespace longshore::kafka {

void Complaints::add(const std::string& sentence) {
  const std::lock_guard lock(mutex_);
  const int64_t now = clock_.monotonic_ns();
  if (logged_ns_ != 0 && now - logged_ns_ < limits::kComplaintsPeriodNs) {
    suppressed_ += 1;
    return;
  }
  logged_ns_ = now;
  if (const uint64_t suppressed = std::exchange(suppressed_, 0)) {
    spdlog::warn("{} ({} similar messages suppressed)", sentence, suppressed);
  } else {
    spdlog::warn("{}", sentence);
  }
}

}  // namespace longshore::kafka
