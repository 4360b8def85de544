#include "shipper/kafka/log.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <string_view>

#include "shipper/kafka/remedy.h"

namespace longshore::shipper {

namespace {

constexpr int kLinesMax = 5;
constexpr int64_t kWindowSeconds = 10;
constexpr int64_t kFailureSeconds = 60;
constexpr int64_t kRepeatSeconds = 300;
constexpr size_t kToldMax = 100;

int64_t now_s() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(now).count();
}

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
  // A transaction is being ended. A lane that has to wait for that long tells what it does.
  if (about == "GETPID" && std::string_view(text).find("concurrent") != std::string_view::npos) {
    return;
  }
  if (!handle) return;
  static_cast<KafkaLog*>(rd_kafka_opaque(handle))->write(level, facility, text);
}

}  // namespace

void KafkaLog::attach(rd_kafka_conf_t* conf) {
  rd_kafka_conf_set_opaque(conf, this);
  rd_kafka_conf_set_log_cb(conf, log_callback);
}

std::string KafkaLog::last_failure() const {
  const std::lock_guard lock(mutex_);
  return now_s() - last_failure_s_ > kFailureSeconds ? "" : last_failure_;
}

// When a connection is closed again and again, only the first message tells why.
void KafkaLog::note_failure(std::string_view text, const std::string& remedy) {
  const std::lock_guard lock(mutex_);
  const bool tells_why = text.find(": Disconnected (after ") == std::string_view::npos;
  const bool is_recent = !last_failure_.empty() && now_s() - last_failure_s_ <= kFailureSeconds;
  if (is_recent && !tells_why) return;
  last_failure_ = std::string(text) + "." + (remedy.empty() ? "" : " " + remedy);
  last_failure_s_ = now_s();
}

// A dead broker is tried again by every handle.
bool KafkaLog::is_repeated(const char* facility, std::string_view text) {
  const std::lock_guard lock(mutex_);
  std::string what = std::string(facility) + std::string(text.substr(0, text.find(" (after ")));
  if (told_.size() >= kToldMax) told_.clear();
  int64_t& told_s = told_[std::move(what)];
  if (told_s != 0 && now_s() - told_s < kRepeatSeconds) return true;
  told_s = std::max<int64_t>(now_s(), 1);
  return false;
}

void KafkaLog::write(int level, const char* facility, const char* text) {
  const std::string remedy = remedy_of(text);
  if (std::string_view(facility) == "FAIL") note_failure(text, remedy);
  if (is_repeated(facility, text)) return;
  const int64_t now = now_s();
  int64_t start = window_start_s_.load();
  if (now - start >= kWindowSeconds && window_start_s_.compare_exchange_strong(start, now)) {
    const int lines = lines_.exchange(0);
    if (lines > kLinesMax) spdlog::info("kafka: {} more lines suppressed", lines - kLinesMax);
  }
  if (lines_.fetch_add(1) >= kLinesMax) return;
  const bool helps = !remedy.empty() && level_of(level) == spdlog::level::warn;
  spdlog::log(level_of(level), "kafka: {}: {}{}{}", facility, text, helps ? ". " : "",
              helps ? remedy : "");
}

}  // namespace longshore::shipper
