// Reads topics from Kafka without joining a group, so that it needs only the right to read and
// leaves no trace. Used by audit and tap.
#pragma once

#include <librdkafka/rdkafka.h>

#include <chrono>
#include <compare>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/result.h"
#include "shipper/kafka/settings.h"

namespace longshore::kafka {

struct ReaderOptions {
  std::string brokers;
  std::vector<std::string> topics;
  shipper::KafkaSettings settings;  ///< The operator's `--kafka k=v`: TLS, SASL.
  bool read_committed = true;
  bool from_beginning = true;
  /// From the beginning: only records that reached Kafka at this time or later.
  std::optional<int64_t> since_ms = {};
  /// Never ended(), and partitions that are added to a topic are read too, from their beginning.
  /// Otherwise only records from before open() are read.
  bool follow = false;
  /// How long open() waits for the transactions that are open at that time to be committed or
  /// aborted. 0: not at all.
  int settle_ms = 0;
  int timeout_ms = 10'000;
};

/// One partition of one topic.
struct PartitionKey {
  std::string topic;
  int32_t partition = 0;
  auto operator<=>(const PartitionKey&) const = default;
};

/// "topic[partition]"
std::string to_string(const PartitionKey& key);

/// A record, valid during the call that hands it over.
struct ReadRecord {
  std::string_view topic = {};
  int32_t partition = 0;
  int64_t offset = 0;
  std::string_view key = {}, value = {};
  int64_t timestamp_ms = -1;  ///< Kafka's; -1: none.
  const rd_kafka_message_t* message =
      nullptr;  ///< For headers_of(): few records are asked for them.
};

/// A header of a record. librdkafka ends a name at its first NUL byte.
struct Header {
  std::string_view name, value;
};

/// The first headers of a record, at most `count_max`; valid as long as the record.
std::vector<Header> headers_of(const ReadRecord& record, size_t count_max);

/// A partition when the reader was opened.
struct PartitionEnds {
  std::string topic;
  int32_t partition = 0;
  int64_t begin = 0;  ///< More than 0: earlier records were deleted, or left out (`since_ms`).
  /// Number of offsets at its end, control records included, that are not read because they belong
  /// to a transaction that was open at that time, or come after one.
  int64_t held_back = 0;
};

/// Thread: one. Memory: librdkafka's queues, about 4 MiB a partition, plus one uncompressed fetch
/// response.
class Reader {
 public:
  /// Finds the partitions and their ends, and begins to fetch.
  /// Errors: kInvalid (setting), kNotFound (topic), kRetryable (no broker answers).
  static Result<std::unique_ptr<Reader>> open(const ReaderOptions& options);
  ~Reader();
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  /// Waits up to `timeout_ms` and hands over what arrived, each partition in order. Errors:
  /// kRetryable (librdkafka does not recover by itself), kNotFound (records were deleted
  /// meanwhile).
  Status poll(int timeout_ms, const std::function<void(const ReadRecord&)>& each);

  bool ended() const { return open_partitions_ == 0; }
  std::vector<PartitionEnds> partitions() const;
  /// Offsets that were passed, out of offsets_total().
  uint64_t offsets_passed() const;
  uint64_t offsets_total() const;

 private:
  struct Partition {
    rd_kafka_topic_t* topic = nullptr;  // Owned by topics_.
    PartitionKey key;
    int64_t begin = 0;
    int64_t next = 0;  // The offset after the last one seen.
    int64_t end = 0;   // Where to stop, unless following.
    int64_t low = 0;   // The first offset that still exists.
    int64_t high = 0;  // After `end` if a transaction is open.
    bool open = false;
  };

  Reader(const ReaderOptions& options, rd_kafka_t* handle);
  Status find_partitions();
  Status add_partitions(rd_kafka_topic_t* topic, int timeout_ms);
  Error no_topic(const std::string& name);
  void find_added();
  Status find_ends();
  Status find_since();
  Status settle();
  Status start();
  Status start(Partition& partition);
  void nudge();
  void close(Partition& partition);
  Partition* find(const rd_kafka_message_t& message);
  Status take(const rd_kafka_message_t& message,
              const std::function<void(const ReadRecord&)>& each);

  ReaderOptions options_;
  rd_kafka_t* handle_;
  rd_kafka_queue_t* queue_ = nullptr;
  std::vector<rd_kafka_topic_t*> topics_;
  std::vector<Partition> partitions_;
  size_t nudged_ = 0;
  size_t last_ = 0;  // Records come in runs of one partition.
  std::vector<rd_kafka_message_t*> batch_;
  size_t open_partitions_ = 0;
  std::chrono::steady_clock::time_point looked_at_;  // For added partitions.
};

}  // namespace longshore::kafka
