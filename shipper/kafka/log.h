// librdkafka's own log lines on their way into ours.
#pragma once

#include <librdkafka/rdkafka.h>

#include <atomic>
#include <cstdint>

namespace longshore::shipper {

/// Passes on at most a few lines in ten seconds, for a broker that is away makes librdkafka speak
/// several times a second, and says how many it kept back. Thread: any.
class KafkaLog {
 public:
  /// Makes the handle of `conf` log here. REQUIRES: this object outlives the handle.
  void attach(rd_kafka_conf_t* conf);

  /// `level` is syslog's, 0 to 7.
  void write(int level, const char* facility, const char* text);

 private:
  std::atomic<int64_t> window_start_s_{0};
  std::atomic<int> lines_{0};  // In the window that began then.
};

}  // namespace longshore::shipper
