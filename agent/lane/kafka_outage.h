// Tells once that Kafka is away, and once that it is back.
#pragma once

#include <cstdint>
#include <string>

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

 private:
  const LaneSetup& setup_;
  int64_t since_ns_ = 0;
};

}  // namespace longshore::agent
