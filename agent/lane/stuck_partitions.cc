#include "agent/lane/stuck_partitions.h"

#include <spdlog/spdlog.h>

#include <string>

#include "config/limits.h"

namespace longshore::agent {

StuckPartitions::StuckPartitions(const Clock& clock, Destinations& destinations,
                                 KafkaOutage& outage)
    : clock_(clock), destinations_(destinations), outage_(outage) {}

void StuckPartitions::answered(int64_t silent_ns) {
  const int64_t now = clock_.monotonic_ns();
  answered_ns_ = now;
  outage_.end();
  if (now - period_began_ns_ > limits::kSilenceMemoryNs) {
    period_began_ns_ = now;
    longest_before_ns_ = longest_ns_;
    longest_ns_ = 0;
  }
  longest_ns_ = std::max(longest_ns_, silent_ns - limits::kClientLingerNs);
}

Status StuckPartitions::look() {
  const int64_t now = clock_.monotonic_ns();
  if (now < next_look_ns_) return ok();
  next_look_ns_ = now + limits::kRoomWaitNs;
  const int64_t since = destinations_.silent_since_ns();
  if (since == 0) return ok();
  const int64_t silent = now - since - limits::kClientLingerNs;
  if (silent < std::max(limits::kSilenceAskNs, patience_ns() / 2)) return ok();

  // The last transaction may still hold up this one: its partitions count too.
  next_look_ns_ = now + limits::kAskAgainNs;
  const auto unusable = destinations_.park_unusable(since - limits::kSilenceMemoryNs, now);
  spdlog::debug("a partition has been silent for {} ms; Kafka about it: {}", silent / limits::kMs,
                unusable ? unusable.value() : unusable.error().message);
  if (!unusable) {
    if (silent >= limits::kSilenceNs) outage_.begin(unusable.error().message);
    return ok();
  }
  if (!unusable.value().empty()) {
    return Error{ErrorCode::kSessionGone, "Kafka cannot take the open transaction any more: " +
                                              unusable.value() + " can take nothing."};
  }
  const int64_t patience = std::max(limits::kSilenceNs, patience_ns());
  const bool others_answer = answered_ns_ > since;
  if (silent < (others_answer ? patience : limits::kSilenceFactor * patience)) return ok();
  longest_ns_ = std::max(longest_ns_, silent);
  const std::string parked = others_answer ? destinations_.park_silent(since, now) : "";
  return Error{ErrorCode::kSessionGone, parked.empty()
                                            ? "Kafka answers questions, but takes no records."
                                            : "While others answer, nothing has come from " +
                                                  parked + " for some time; parked for a while."};
}

}  // namespace longshore::agent
