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

// Not every broker knows a new leader at once, and one that has just started may not even know the
// partition.
bool is_leader_moving(rd_kafka_resp_err_t code) {
  return code == RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION ||
         code == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE ||
         code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION || code == RD_KAFKA_RESP_ERR__TRANSPORT;
}

}  // namespace

Status check_not_own(const shipper::KafkaSettings& settings, std::span<const OwnSetting> own) {
  for (const auto& [name, value] : settings) {
    for (const auto& [refused, remedy] : own) {
      if (name == refused)
        return Error{ErrorCode::kInvalid, fmt::format("--kafka {} is refused: {}.", name, remedy)};
    }
  }
  return ok();
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
          .timestamp_ms = rd_kafka_message_timestamp(&message, nullptr)};
}

}  // namespace longshore::kafka
