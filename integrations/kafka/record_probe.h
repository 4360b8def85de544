// Looks again at a record that was read before: is it still what stands at its offset?
//
// Kafka names a topic, not its life: one that was deleted and made anew has other records at the
// same offsets, and librdkafka 2.0 does not tell the ids of topics (KIP-516). So a record that is
// remembered by a hash proves whether the topic is the one that it was read from.
#pragma once

#include <librdkafka/rdkafka.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "config/result.h"
#include "integrations/kafka/reader.h"

namespace longshore::kafka {

/// A record, remembered.
struct RecordMark {
  int64_t offset = -1;
  uint64_t hash = 0;  ///< XXH3-64 of time, key and value.
  auto operator<=>(const RecordMark&) const = default;
};
RecordMark mark_of(const ReadRecord& record);

/// A record of one's own.
struct RecordCopy {
  std::string key, value;
  int64_t timestamp_ms = -1;
};

/// What stands at the offset of a mark.
enum class Found : uint8_t {
  kSame,
  kOther,    ///< Another record or none: another topic.
  kDeleted,  ///< Nothing is known: retention, compaction or the topic's end deleted it, or the
             ///< record is damaged.
};

/// The first offset that Kafka still has and the one after the last, whatever transaction is open.
struct Ends {
  int64_t low = 0, high = 0;
};

/// Thread: any. A seam: tests have topics of their own.
class RecordProbe {
 public:
  virtual ~RecordProbe() = default;
  /// Errors: kRetryable: no answer.
  virtual Result<Found> look(const PartitionKey& partition, const RecordMark& mark) = 0;
  /// Errors: kNotFound: Kafka has no such topic or partition; kRetryable: no answer.
  virtual Result<Ends> ends(const PartitionKey& partition) = 0;
};

/// Asks Kafka, with a consumer that belongs to no group.
class KafkaProbe final : public RecordProbe {
 public:
  /// Of `options` it uses brokers and settings. Errors: kInvalid.
  static Result<std::unique_ptr<KafkaProbe>> open(const ReaderOptions& options);
  ~KafkaProbe() override;

  Result<Found> look(const PartitionKey& partition, const RecordMark& mark) override;
  Result<Ends> ends(const PartitionKey& partition) override;

  /// The record at this offset, whatever it is; none if Kafka has none there (any more). Errors:
  /// kRetryable: no answer.
  Result<std::optional<RecordCopy>> copy(const PartitionKey& partition, int64_t offset);

 private:
  using Judge = std::function<Found(const rd_kafka_message_t& message)>;

  explicit KafkaProbe(rd_kafka_t* handle) : handle_(handle) {}
  Result<Found> look(const PartitionKey& partition, int64_t offset, const Judge& judge);
  Result<Found> read(const PartitionKey& partition, int64_t offset, const Judge& judge);
  Found judge(const PartitionKey& partition, const RecordMark& mark,
              const rd_kafka_message_t& message);
  bool is_gone(const PartitionKey& partition);
  bool is_compacted(const std::string& topic);

  rd_kafka_t* handle_;
  std::mutex mutex_;
  std::set<PartitionKey> asked_;  // librdkafka reads a partition once at a time.
};

}  // namespace longshore::kafka
