#include "shipper/kafka/log.h"

#include <spdlog/spdlog.h>

#include <chrono>
#include <string_view>

namespace longshore::shipper {

namespace {

constexpr int kLinesMax = 5;
constexpr int64_t kWindowSeconds = 10;

// Nothing that librdkafka logs is a loss yet: it reports the records that it gives up to the lane,
// which logs them.
spdlog::level::level_enum level_of(int syslog_level) {
  if (syslog_level <= 4) return spdlog::level::warn;
  return syslog_level <= 6 ? spdlog::level::info : spdlog::level::debug;
}

void log_callback(const rd_kafka_t* handle, int level, const char* facility, const char* text) {
  // Handles for queries also get producers' settings, and librdkafka warns about those. A session
  // that drops its records when it is destroyed does so on purpose.
  const std::string_view about(facility);
  if (about == "CONFWARN" || about == "TERMINATE") return;
  if (!handle) return;
  static_cast<KafkaLog*>(rd_kafka_opaque(handle))->write(level, facility, text);
}

}  // namespace

void KafkaLog::attach(rd_kafka_conf_t* conf) {
  rd_kafka_conf_set_opaque(conf, this);
  rd_kafka_conf_set_log_cb(conf, log_callback);
}

void KafkaLog::write(int level, const char* facility, const char* text) {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  const int64_t now_s = std::chrono::duration_cast<std::chrono::seconds>(now).count();
  int64_t start = window_start_s_.load();
  if (now_s - start >= kWindowSeconds && window_start_s_.compare_exchange_strong(start, now_s)) {
    const int lines = lines_.exchange(0);
    if (lines > kLinesMax) spdlog::info("kafka: {} more lines suppressed", lines - kLinesMax);
  }
  if (lines_.fetch_add(1) >= kLinesMax) return;
  spdlog::log(level_of(level), "kafka: {}: {}", facility, text);
}

}  // namespace longshore::shipper
