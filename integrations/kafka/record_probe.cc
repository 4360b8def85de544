#include "integrations/kafka/record_probe.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <chrono>

#include "config/limits.h"
#include "integrations/kafka/consumer_handle.h"

namespace longshore::kafka {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

Error no_answer(const PartitionKey& partition, const RecordMark& mark, const char* words) {
  return {ErrorCode::kRetryable, fmt::format("could not read offset {} of {} again: {}",
                                             mark.offset, to_string(partition), words)};
}

}  // namespace

RecordMark mark_of(const ReadRecord& record) {
  const uint64_t key = XXH3_64bits_withSeed(record.key.data(), record.key.size(),
                                            static_cast<uint64_t>(record.timestamp_ms));
  return {record.offset, XXH3_64bits_withSeed(record.value.data(), record.value.size(), key)};
}

Result<std::unique_ptr<KafkaProbe>> KafkaProbe::open(const ReaderOptions& options) {
  Result<rd_kafka_t*> handle =
      make_quiet_consumer(options.brokers, options.settings,
                          {{"isolation.level", "read_uncommitted"}, {"queued.min.messages", "1"}});
  if (!handle) return handle.error();
  return std::unique_ptr<KafkaProbe>(new KafkaProbe(*handle));
}

KafkaProbe::~KafkaProbe() { rd_kafka_destroy_flags(handle_, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE); }

Result<Found> KafkaProbe::look(const PartitionKey& partition, const RecordMark& mark) {
  {
    const std::lock_guard lock(mutex_);
    if (!asked_.insert(partition).second)
      return no_answer(partition, mark, "it is being read for somebody else");
  }
  Result<Found> found = read(partition, mark);
  const std::lock_guard lock(mutex_);
  asked_.erase(partition);
  return found;
}

Result<Found> KafkaProbe::read(const PartitionKey& partition, const RecordMark& mark) {
  int64_t low = 0, high = 0;
  if (const auto code = ask_ends(handle_, partition, limits::kProbeMs, low, high))
    return no_answer(partition, mark, rd_kafka_err2str(code));
  if (mark.offset < low) return Found::kDeleted;
  if (mark.offset >= high) return Found::kOther;
  const std::unique_ptr<rd_kafka_topic_t, void (*)(rd_kafka_topic_t*)> topic(
      rd_kafka_topic_new(handle_, partition.topic.c_str(), nullptr), rd_kafka_topic_destroy);
  const std::unique_ptr<rd_kafka_queue_t, void (*)(rd_kafka_queue_t*)> queue(
      rd_kafka_queue_new(handle_), rd_kafka_queue_destroy);
  if (!topic ||
      rd_kafka_consume_start_queue(topic.get(), partition.partition, mark.offset, queue.get()) != 0)
    return no_answer(partition, mark, rd_kafka_err2str(rd_kafka_last_error()));
  Result<Found> found = no_answer(partition, mark, "no answer");
  const auto deadline = steady_clock::now() + milliseconds(limits::kProbeMs);
  for (bool done = false; !done && steady_clock::now() < deadline;) {
    constexpr int kPauseMs = 50;
    const std::unique_ptr<rd_kafka_message_t, void (*)(rd_kafka_message_t*)> message(
        rd_kafka_consume_queue(queue.get(), kPauseMs), rd_kafka_message_destroy);
    if (!message || (message->err && recovers_by_itself(message->err))) continue;
    done = true;
    if (!message->err) {
      const RecordMark there = mark_of(record_of(*message, partition.topic));
      found = there == mark ? Found::kSame : Found::kOther;
    } else if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
      found = Found::kOther;
    } else {
      found = no_answer(partition, mark, rd_kafka_err2str(message->err));
    }
  }
  rd_kafka_consume_stop(topic.get(), partition.partition);
  return found;
}

}  // namespace longshore::kafka
