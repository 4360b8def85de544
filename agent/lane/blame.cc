#include "agent/lane/blame.h"

#include <utility>

#include "config/limits.h"

namespace longshore::agent {

using shipper::Trouble;

Blame::Blame(const Clock& clock, BatchPolicy& batches, Destinations& destinations)
    : clock_(clock), batches_(batches), destinations_(destinations) {}

Error Blame::delivery_failed(const shipper::Report& report, const Destination& to) {
  delivery_trouble_ = report.trouble;
  std::string why =
      to.where.topic + "[" + std::to_string(to.where.partition) + "]: " + report.message + ".";
  // No batch is smaller than one record, and a record is never dropped: it waits.
  const bool too_large = report.trouble == Trouble::kTooLarge && batches_.one_record_at_a_time();
  if (too_large) why += " A record exceeds the topic's max.message.bytes: raise that.";
  if (too_large || report.trouble == Trouble::kPartition) {
    destinations_.failed(to.where, why, clock_.monotonic_ns());
  }
  return {ErrorCode::kSessionGone, "Kafka refused records for " + why};
}

// A failed delivery knows the cause; the calls around it may even succeed.
bool Blame::heed(Trouble last_call, const std::set<std::string>& topics) {
  const Trouble delivery = std::exchange(delivery_trouble_, Trouble::kNone);
  const Trouble trouble = delivery != Trouble::kNone ? delivery : last_call;
  const int64_t now = clock_.monotonic_ns();
  if (trouble != Trouble::kSomeTopic) return batches_.shrink(trouble, now);
  if (topics.size() == 1) {
    destinations_.topic_failed(*topics.begin(),
                               "Kafka lets no transaction include it: check its ACLs.", now);
  }
  // The next transactions hold one topic each, so the one that fails then is to blame.
  isolate_until_ns_ = now + limits::kIsolateNs;
  return true;
}

bool Blame::may_join(const std::string& topic, const std::set<std::string>& topics) const {
  return clock_.monotonic_ns() >= isolate_until_ns_ || topics.empty() || topics.contains(topic);
}

}  // namespace longshore::agent
