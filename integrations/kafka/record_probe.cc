#include "integrations/kafka/record_probe.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <chrono>
#include <string_view>

#include "config/limits.h"
#include "integrations/kafka/consumer_handle.h"

namespace longshore::kafka {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

using ConfigResource =
    std::unique_ptr<rd_kafka_ConfigResource_t, decltype(&rd_kafka_ConfigResource_destroy)>;
using AdminOptions =
    std::unique_ptr<rd_kafka_AdminOptions_t, decltype(&rd_kafka_AdminOptions_destroy)>;
using Queue = std::unique_ptr<rd_kafka_queue_t, decltype(&rd_kafka_queue_destroy)>;
using Topic = std::unique_ptr<rd_kafka_topic_t, decltype(&rd_kafka_topic_destroy)>;
using Event = std::unique_ptr<rd_kafka_event_t, decltype(&rd_kafka_event_destroy)>;

bool is_unknown_topic(rd_kafka_resp_err_t code) {
  return code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
         code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;
}

bool is_damaged(rd_kafka_resp_err_t code) {
  return code == RD_KAFKA_RESP_ERR__BAD_MSG || code == RD_KAFKA_RESP_ERR__BAD_COMPRESSION;
}

Error no_answer(const PartitionKey& partition, int64_t offset, const char* words) {
  return {ErrorCode::kRetryable, fmt::format("could not read offset {} of {} again: {}", offset,
                                             to_string(partition), words)};
}

}  // namespace

RecordMark mark_of(const ReadRecord& record) {
  const uint64_t key = XXH3_64bits_withSeed(record.key.data(), record.key.size(),
                                            static_cast<uint64_t>(record.timestamp_ms));
  return {record.offset, XXH3_64bits_withSeed(record.value.data(), record.value.size(), key)};
}

Result<std::unique_ptr<KafkaProbe>> KafkaProbe::open(const ReaderOptions& options) {
  Result<rd_kafka_t*> handle = make_quiet_consumer(options.brokers, options.settings,
                                                   {{"isolation.level", "read_uncommitted"},
                                                    {"queued.min.messages", "1"},
                                                    {"check.crcs", "true"}});
  if (!handle) return handle.error();
  return std::unique_ptr<KafkaProbe>(new KafkaProbe(*handle));
}

KafkaProbe::~KafkaProbe() { rd_kafka_destroy_flags(handle_, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE); }

Result<Found> KafkaProbe::look(const PartitionKey& partition, const RecordMark& mark) {
  return look(partition, mark.offset,
              [&](const rd_kafka_message_t& message) { return judge(partition, mark, message); });
}

Result<std::optional<RecordCopy>> KafkaProbe::copy(const PartitionKey& partition, int64_t offset) {
  std::optional<RecordCopy> copy;
  const Result<Found> found = look(partition, offset, [&](const rd_kafka_message_t& message) {
    if (message.offset != offset) return Found::kOther;
    const ReadRecord record = record_of(message, partition.topic);
    copy = {std::string(record.key), std::string(record.value), record.timestamp_ms};
    return Found::kSame;
  });
  if (!found) return found.error();
  return copy;
}

Result<Found> KafkaProbe::look(const PartitionKey& partition, int64_t offset, const Judge& judge) {
  {
    const std::lock_guard lock(mutex_);
    if (!asked_.insert(partition).second)
      return no_answer(partition, offset, "it is being read for somebody else");
  }
  Result<Found> found = read(partition, offset, judge);
  const std::lock_guard lock(mutex_);
  asked_.erase(partition);
  return found;
}

Result<Ends> KafkaProbe::ends(const PartitionKey& partition) {
  Ends ends;
  const auto code = ask_ends(handle_, partition, limits::kProbeMs, ends.low, ends.high);
  if (!code) return ends;
  const bool gone = is_unknown_topic(code) ||
                    (code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION && is_gone(partition));
  return Error{gone ? ErrorCode::kNotFound : ErrorCode::kRetryable,
               fmt::format("could not ask Kafka for the end of {}: {}", to_string(partition),
                           rd_kafka_err2str(code))};
}

// librdkafka names no reason when it finds no leader. The brokers do.
bool KafkaProbe::is_gone(const PartitionKey& partition) {
  const Topic topic(rd_kafka_topic_new(handle_, partition.topic.c_str(), nullptr),
                    rd_kafka_topic_destroy);
  const rd_kafka_metadata_t* answer = nullptr;
  if (!topic || rd_kafka_metadata(handle_, 0, topic.get(), &answer, limits::kProbeMs)) return false;
  const std::unique_ptr<const rd_kafka_metadata_t, void (*)(const rd_kafka_metadata_t*)> owner(
      answer, rd_kafka_metadata_destroy);
  if (answer->topic_cnt != 1) return false;
  const rd_kafka_metadata_topic_t& found = answer->topics[0];
  return is_unknown_topic(found.err) || (!found.err && partition.partition >= found.partition_cnt);
}

Result<Found> KafkaProbe::read(const PartitionKey& partition, int64_t offset, const Judge& judge) {
  const Result<Ends> ends = this->ends(partition);
  if (!ends && ends.error().code == ErrorCode::kNotFound) return Found::kDeleted;
  if (!ends) return ends.error();
  if (offset < ends->low) return Found::kDeleted;
  if (offset >= ends->high) return Found::kOther;
  const Topic topic(rd_kafka_topic_new(handle_, partition.topic.c_str(), nullptr),
                    rd_kafka_topic_destroy);
  const Queue queue(rd_kafka_queue_new(handle_), rd_kafka_queue_destroy);
  if (!topic ||
      rd_kafka_consume_start_queue(topic.get(), partition.partition, offset, queue.get()) != 0)
    return no_answer(partition, offset, rd_kafka_err2str(rd_kafka_last_error()));
  Result<Found> found = no_answer(partition, offset, "no answer");
  const auto deadline = steady_clock::now() + milliseconds(limits::kProbeMs);
  for (bool done = false; !done && steady_clock::now() < deadline;) {
    constexpr int kPauseMs = 50;
    const std::unique_ptr<rd_kafka_message_t, void (*)(rd_kafka_message_t*)> message(
        rd_kafka_consume_queue(queue.get(), kPauseMs), rd_kafka_message_destroy);
    if (!message || (message->err && recovers_by_itself(message->err))) continue;
    done = true;
    if (!message->err) {
      found = judge(*message);
    } else if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
      found = Found::kOther;
    } else if (is_damaged(message->err) || is_unknown_topic(message->err)) {
      found = Found::kDeleted;
    } else {
      found = no_answer(partition, offset, rd_kafka_err2str(message->err));
    }
  }
  rd_kafka_consume_stop(topic.get(), partition.partition);
  return found;
}

// No record at the offset is what compaction leaves. In any other topic it is a marker of a
// transaction, where a record stood before.
Found KafkaProbe::judge(const PartitionKey& partition, const RecordMark& mark,
                        const rd_kafka_message_t& message) {
  const RecordMark there = mark_of(record_of(message, partition.topic));
  if (there == mark) return Found::kSame;
  const bool compacted = there.offset > mark.offset && is_compacted(partition.topic);
  return compacted ? Found::kDeleted : Found::kOther;
}

// False too if Kafka does not tell.
bool KafkaProbe::is_compacted(const std::string& topic) {
  const ConfigResource asked(rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic.c_str()),
                             rd_kafka_ConfigResource_destroy);
  const AdminOptions options(rd_kafka_AdminOptions_new(handle_, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS),
                             rd_kafka_AdminOptions_destroy);
  char words[512] = "";
  if (rd_kafka_AdminOptions_set_request_timeout(options.get(), limits::kProbeMs, words,
                                                sizeof words))
    return false;
  const Queue queue(rd_kafka_queue_new(handle_), rd_kafka_queue_destroy);
  rd_kafka_ConfigResource_t* list[] = {asked.get()};
  rd_kafka_DescribeConfigs(handle_, list, 1, options.get(), queue.get());
  const Event event(rd_kafka_queue_poll(queue.get(), limits::kProbeMs), rd_kafka_event_destroy);
  if (!event || rd_kafka_event_error(event.get())) return false;
  size_t count = 0;
  const auto* const resources = rd_kafka_DescribeConfigs_result_resources(
      rd_kafka_event_DescribeConfigs_result(event.get()), &count);
  if (count != 1 || rd_kafka_ConfigResource_error(resources[0])) return false;
  const auto* const entries = rd_kafka_ConfigResource_configs(resources[0], &count);
  for (size_t i = 0; i < count; ++i) {
    if (std::string_view(rd_kafka_ConfigEntry_name(entries[i])) != "cleanup.policy") continue;
    const char* const value = rd_kafka_ConfigEntry_value(entries[i]);
    return value && std::string_view(value).find("compact") != std::string_view::npos;
  }
  return false;
}

}  // namespace longshore::kafka
