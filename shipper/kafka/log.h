// Copies librdkafka's log lines into longshore's log.
#pragma once

#include <librdkafka/rdkafka.h>

#include <atomic>
#include <cstdint>

namespace longshore::shipper {

/// Copies at most a few lines in ten seconds, because librdkafka logs several a second while a
/// broker is away, and logs how many it suppressed. Thread: any.
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
