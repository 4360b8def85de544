// Tells once that Kafka is away, and once that it is back.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "agent/lane/lane_setup.h"

namespace longshore::agent {

/// Thread: its lane's.
class KafkaOutage {
 public:
  explicit KafkaOutage(const LaneSetup& setup) : setup_(setup) {}

  /// No broker answers; `why` is a sentence. Only the first call is logged.
  void begin(const std::string& why);
  /// One does.
  void end();
  bool lasts() const { return since_ns_ != 0; }
  /// Whether begin() was called since the last call: the failure at hand is this outage, which was
  /// told. What else goes wrong is told even if an outage lasts.
  bool take_noted() { return std::exchange(noted_, false); }

 private:
  const LaneSetup& setup_;
  int64_t since_ns_ = 0;
  bool noted_ = false;
};

}  // namespace longshore::agent
