#include "agent/lane/batch_policy.h"

#include <algorithm>

namespace longshore::agent {

BatchPolicy::BatchPolicy(size_t transaction_bytes, int64_t linger_ns)
    : transaction_bytes_max_(transaction_bytes),
      linger_ns_(linger_ns),
      transaction_bytes_(transaction_bytes) {}

int64_t BatchPolicy::next_look_ns(int64_t now_ns) const {
  return now_ns + std::min(linger_ns_ / 10, limits::kLookAgainNsMax);
}

bool BatchPolicy::shrink(shipper::Trouble trouble, int64_t now_ns) {
  using shipper::Trouble;
  if (trouble == Trouble::kTooLarge || trouble == Trouble::kTimeout) {
    transaction_bytes_ = std::max<size_t>(transaction_bytes_ / 2, 1);
  }
  if (trouble != Trouble::kTooLarge || one_record_at_a_time()) return false;
  session_bytes_ /= limits::kBatchShrink;
  // A batch of one byte is a batch of one record.
  if (session_bytes_ < limits::kBatchBytesMin) session_bytes_ = 1;
  growth_wait_ns_ = growth_.next();
  next_growth_ns_ = now_ns + growth_wait_ns_;
  return true;
}

void BatchPolicy::committed() {
  transaction_bytes_ =
      std::min(transaction_bytes_max_, transaction_bytes_ + transaction_bytes_ / 8 + 1);
}

bool BatchPolicy::growth_is_due(int64_t now_ns) const {
  return session_bytes_ < limits::kBatchBytes && now_ns >= next_growth_ns_;
}

void BatchPolicy::grow(int64_t now_ns) {
  session_bytes_ = std::clamp(session_bytes_ * limits::kBatchShrink, limits::kBatchBytesMin,
                              limits::kBatchBytes);
  next_growth_ns_ = now_ns + growth_wait_ns_;
}

}  // namespace longshore::agent
