// What made a session fail, as far as the next one can avoid it: a batch that is too large for a
// topic, a partition that takes nothing, a topic that no transaction may include.
#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "agent/lane/batch_policy.h"
#include "agent/lane/destinations.h"
#include "config/clock.h"
#include "shipper/kafka/kafka.h"

namespace longshore::agent {

/// Thread: its lane's.
class Blame {
 public:
  Blame(const Clock& clock, BatchPolicy& batches, Destinations& destinations);

  /// Records the first failed delivery of a session, which is why the session ends. Returns the
  /// error with which it ends.
  Error delivery_failed(const shipper::Report& report, const Destination& to);

  /// A partition held up the open transaction, and the session ends because of it.
  void partition_stuck() { delivery_trouble_ = shipper::Trouble::kPartition; }

  /// The session is over: makes batches smaller or parks the topic that is to blame. `last_call`:
  /// the trouble of its last failed call; `topics`: those of the open transaction. True: the next
  /// session can be tried at once.
  bool heed(shipper::Trouble last_call, const std::set<std::string>& topics);

  /// Whether a transaction that holds `topics` may include `topic` as well. For a while after Kafka
  /// barred a topic without naming it, a transaction holds one topic only.
  bool may_join(const std::string& topic, const std::set<std::string>& topics) const;

 private:
  const Clock& clock_;
  BatchPolicy& batches_;
  Destinations& destinations_;
  shipper::Trouble delivery_trouble_ = shipper::Trouble::kNone;  // The session's first.
  int64_t isolate_until_ns_ = 0;
};

}  // namespace longshore::agent
