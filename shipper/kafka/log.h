// Copies librdkafka's log lines into longshore's log.
#pragma once

#include <librdkafka/rdkafka.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

namespace longshore::shipper {

/// Copies at most a few lines in ten seconds, because librdkafka logs several a second while a
/// broker is away, and logs how many it suppressed. A line that only repeats one of the last
/// minutes is left out. Thread: any.
class KafkaLog {
 public:
  /// Makes the handle of `conf` log here. REQUIRES: this object outlives the handle.
  void attach(rd_kafka_conf_t* conf);

  /// `level` is syslog's, 0 to 7.
  void write(int level, const char* facility, const char* text);

  /// Why a connection failed in the last minute, with a remedy if one is known; empty: none did.
  std::string last_failure() const;

 private:
  void note_failure(std::string_view text, const std::string& remedy);
  bool is_repeated(const char* facility, std::string_view text);

  mutable std::mutex mutex_;
  std::map<std::string, int64_t> told_;  // Lines, and when they were.
  std::string last_failure_;
  int64_t last_failure_s_ = 0;
  std::atomic<int64_t> window_start_s_{0};
  std::atomic<int> lines_{0};  // In the window that began then.
};

}  // namespace longshore::shipper
