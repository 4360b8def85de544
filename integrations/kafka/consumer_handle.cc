#include "integrations/kafka/consumer_handle.h"

#include <fmt/format.h>

#include <chrono>
#include <thread>

namespace longshore::kafka {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr auto kLeaderPause = milliseconds(20);
constexpr int kWakeMs = 100;

// Reading depends on these settings, so the operator may not set them.
constexpr OwnSetting kOwnOfAll[] = {
    {"bootstrap.servers", "use --brokers"},
    {"metadata.broker.list", "use --brokers"},
    {"isolation.level", "use --isolation"},
    {"enable.partition.eof", "it shows where a partition ends"},
    {"allow.auto.create.topics", "reading must not create topics"},
    {"auto.offset.reset", "deleted records must be noticed"},
};

// Not every broker knows a new leader at once, and one that has just started may not even know the
// partition.
bool is_leader_moving(rd_kafka_resp_err_t code) {
  return code == RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION ||
         code == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE ||
         code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION || code == RD_KAFKA_RESP_ERR__TRANSPORT;
}

// librdkafka's default callback would write hints to stderr, between the command's own lines.
void keep_quiet(const rd_kafka_t*, int, const char*, const char*) {}

}  // namespace

Status check_not_own(const shipper::KafkaSettings& settings, std::span<const OwnSetting> own) {
  for (const auto& [name, value] : settings) {
    for (const std::span<const OwnSetting> each : {own, std::span<const OwnSetting>(kOwnOfAll)}) {
      for (const auto& [refused, remedy] : each) {
        if (name == refused)
          return invalid(fmt::format("--kafka {} is refused: {}.", name, remedy));
      }
    }
  }
  return ok();
}

Result<rd_kafka_t*> make_consumer(shipper::KafkaConf conf) {
  char words[512];
  rd_kafka_t* handle = rd_kafka_new(RD_KAFKA_CONSUMER, conf.get(), words, sizeof words);
  if (!handle) return invalid(fmt::format("--kafka: {}.", words));
  static_cast<void>(conf.release());  // It belongs to the handle now.
  return handle;
}

Result<rd_kafka_t*> make_quiet_consumer(const std::string& brokers,
                                        const shipper::KafkaSettings& settings,
                                        const shipper::KafkaSettings& own) {
  if (Status status = check_not_own(settings, {}); !status) return status.error();
  shipper::KafkaSettings all = {{"enable.partition.eof", "true"},
                                {"fetch.message.max.bytes", "524288"},
                                {"fetch.wait.max.ms", "100"},
                                {"auto.offset.reset", "error"},
                                {"topic.metadata.refresh.interval.ms", "10000"}};
  all.insert(all.end(), own.begin(), own.end());
  all.insert(all.end(), settings.begin(), settings.end());
  auto conf = shipper::make_kafka_conf(brokers, all);
  if (!conf) return conf.error();
  rd_kafka_conf_set_log_cb(conf->get(), keep_quiet);
  return make_consumer(*std::move(conf));
}

bool recovers_by_itself(rd_kafka_resp_err_t code) {
  switch (code) {
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__RESOLVE:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
      return true;
    default:
      return false;
  }
}

rd_kafka_resp_err_t ask_ends(rd_kafka_t* handle, const PartitionKey& key, int timeout_ms,
                             int64_t& low, int64_t& high) {
  const auto deadline = steady_clock::now() + milliseconds(timeout_ms);
  for (;;) {
    const auto code = rd_kafka_query_watermark_offsets(handle, key.topic.c_str(), key.partition,
                                                       &low, &high, timeout_ms);
    if (!is_leader_moving(code) || steady_clock::now() >= deadline) return code;
    std::this_thread::sleep_for(kLeaderPause);
  }
}

void wake_broker_thread(rd_kafka_t* handle, const PartitionKey& key) {
  int64_t low = 0, high = 0;
  // The answer does not matter.
  static_cast<void>(rd_kafka_query_watermark_offsets(handle, key.topic.c_str(), key.partition, &low,
                                                     &high, kWakeMs));
}

ReadRecord record_of(const rd_kafka_message_t& message, std::string_view topic) {
  return {.topic = topic,
          .partition = message.partition,
          .offset = message.offset,
          .key = {static_cast<const char*>(message.key), message.key ? message.key_len : 0},
          .value = {static_cast<const char*>(message.payload), message.payload ? message.len : 0},
          .timestamp_ms = rd_kafka_message_timestamp(&message, nullptr),
          .message = &message};
}

std::vector<Header> headers_of(const ReadRecord& record, size_t count_max) {
  std::vector<Header> found;
  rd_kafka_headers_t* headers = nullptr;
  if (!record.message || rd_kafka_message_headers(record.message, &headers)) return found;
  const char* name = nullptr;
  const void* value = nullptr;
  size_t bytes = 0;
  while (found.size() < count_max &&
         !rd_kafka_header_get_all(headers, found.size(), &name, &value, &bytes))
    found.push_back({name, {static_cast<const char*>(value), value ? bytes : 0}});
  return found;
}

}  // namespace longshore::kafka
