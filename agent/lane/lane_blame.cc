// What made a session fail, as far as the next one can heed it: a batch that is too large for a
// topic, a topic that no transaction may include.
#include <algorithm>

#include "agent/lane/lane.h"
#include "config/limits.h"

namespace longshore::agent {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;
constexpr size_t kBatchShrink = 8;
constexpr size_t kBatchBytesMin = 2'000;  // Below this one record is tried at a time.
constexpr int64_t kGrowthMinNs = 60 * kSecondNs;
constexpr int64_t kGrowthMaxNs = 3600 * kSecondNs;
constexpr int64_t kIsolateNs = 30 * kSecondNs;

constexpr char kNotIncluded[] = "Kafka lets no transaction include it (check its ACLs).";

}  // namespace

// The first delivery that failed: its cause is what the next session heeds.
Error Lane::failed(const shipper::Report& report, const Destination& to) {
  using shipper::Trouble;
  delivery_trouble_ = report.trouble;
  std::string why =
      to.where.topic + "[" + std::to_string(to.where.partition) + "]: " + report.message + ".";
  // Smaller than one record a batch cannot be; and a record is never dropped: it waits.
  const bool one_record = report.trouble == Trouble::kTooLarge && session_batch_bytes_ == 1;
  if (one_record) why += " A record exceeds the topic's max.message.bytes; raise that.";
  if (one_record || report.trouble == Trouble::kPartition) {
    destinations_.failed(to.where, why, clock_.monotonic_ns());
  }
  return {ErrorCode::kRetryable, "Records were not accepted by " + why};
}

// A failed delivery is reported when the calls around it may still succeed: it knows the cause.
void Lane::heed_cause() {
  using shipper::Trouble;
  Trouble trouble = delivery_trouble_;
  if (trouble == Trouble::kNone && session_ != nullptr) trouble = session_->last_trouble();
  shrink_batches(trouble);
  if (trouble != Trouble::kSomeTopic) return;
  const int64_t now = clock_.monotonic_ns();
  if (open_topics_.size() == 1)
    destinations_.topic_failed(*open_topics_.begin(), kNotIncluded, now);
  // The next transactions hold one topic each: what fails then is to blame.
  isolate_until_ns_ = now + kIsolateNs;
  retry_ns_ = 0;
}

bool Lane::isolating() const { return clock_.monotonic_ns() < isolate_until_ns_; }

bool Lane::may_join(const std::string& topic) const {
  return !isolating() || !open_ || open_topics_.empty() || open_topics_.contains(topic);
}

void Lane::shrink_batches(shipper::Trouble trouble) {
  using shipper::Trouble;
  if (trouble == Trouble::kTooLarge || trouble == Trouble::kTimeout) {
    batch_bytes_now_ = std::max<size_t>(batch_bytes_now_ / 2, 1);
  }
  if (trouble != Trouble::kTooLarge || session_batch_bytes_ == 1) return;
  session_batch_bytes_ /= kBatchShrink;
  // A batch of one byte is a batch of one record.
  if (session_batch_bytes_ < kBatchBytesMin) session_batch_bytes_ = 1;
  retry_ns_ = 0;  // Waiting would not help.
  growth_wait_ns_ = std::clamp(growth_wait_ns_ * 2, kGrowthMinNs, kGrowthMaxNs);
  next_growth_ns_ = clock_.monotonic_ns() + growth_wait_ns_;
}

// A session's batches cannot be made larger, so a new one is opened now and then, between two
// transactions.
Status Lane::grow_batches() {
  const bool small = session_batch_bytes_ < limits::kBatchBytes;
  if (!small || open_ || stopping_ || clock_.monotonic_ns() < next_growth_ns_) return ok();
  if (Status settled = settle_store(); !settled) return settled;
  session_batch_bytes_ =
      std::clamp(session_batch_bytes_ * kBatchShrink, kBatchBytesMin, limits::kBatchBytes);
  next_growth_ns_ = clock_.monotonic_ns() + growth_wait_ns_;
  rewind();
  return open_session();
}

}  // namespace longshore::agent
