// Finds the partitions that hold up a transaction: those without a leader or without enough
// replicas, and those that are silent while others answer. One of them would block its transaction,
// and with it the whole lane, until librdkafka gives up.
//
//   Feed --reports--> StuckPartitions --topic_shape()--> Kafka
//                           '--park--> Destinations
#pragma once

#include <algorithm>
#include <cstdint>

#include "agent/lane/destinations.h"
#include "agent/lane/kafka_outage.h"
#include "config/clock.h"

namespace longshore::agent {

/// Thread: its lane's.
class StuckPartitions {
 public:
  StuckPartitions(const Clock& clock, Destinations& destinations, KafkaOutage& outage);

  /// Kafka answered for a partition that had been silent for so long.
  void answered(int64_t silent_ns);

  /// Looks now and then; costs nothing while answers come. Errors: kSessionGone: partitions were
  /// parked, or nothing can be on its way; the open transaction cannot be completed.
  Status look();

 private:
  int64_t patience_ns() const { return kFactor * std::max(longest_ns_, longest_before_ns_); }

  static constexpr int64_t kFactor = limits::kSilenceFactor;
  const Clock& clock_;
  Destinations& destinations_;
  KafkaOutage& outage_;
  int64_t next_look_ns_ = 0;
  int64_t answered_ns_ = 0;
  // The longest silence beyond librdkafka's linger, of this period and of the one before.
  int64_t longest_ns_ = 0, longest_before_ns_ = 0, period_began_ns_ = 0;
};

}  // namespace longshore::agent
