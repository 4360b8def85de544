// Records that the search service rejects for good, kept in a Kafka topic: key and value unchanged,
// with headers that tell where each came from and why it was rejected.
//
//   longshore.reason, .status, .topic, .partition, .offset, .timestamp (Kafka's, in ms),
//   .cluster (the id of the Kafka cluster that holds the topic),
//   .hash (kafka::RecordMark's, of the whole record: 16 hex digits),
//   .action (the action line of _bulk: index and id of the document; none if it was never to be
//   sent)
//   longshore.cut     bytes that are missing at the value's end, because the topic takes no more:
//                     the whole value is where the record came from. Without the key too:
//                     longshore.key_cut, the key's bytes; then without .action, and with a part
//                     of .reason.
//
// `longshore replay` reads them.
#pragma once

#include <librdkafka/rdkafka.h>

#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>

#include "config/result.h"
#include "integrations/search/bulk.h"
#include "integrations/search/rejected_records.h"
#include "integrations/search/tally.h"
#include "shipper/kafka/log.h"
#include "shipper/kafka/settings.h"

namespace longshore::search {

struct DeadLetterOptions {
  std::string brokers;
  shipper::KafkaSettings settings;
  std::string topic;
};

/// Thread: any.
class DeadLetters final : public RejectedRecords {
 public:
  /// Errors: kInvalid.
  static Result<std::unique_ptr<DeadLetters>> open(const DeadLetterOptions& options, Tally& tally);
  ~DeadLetters() override;
  DeadLetters(const DeadLetters&) = delete;
  DeadLetters& operator=(const DeadLetters&) = delete;

  std::string fate() const override { return "go to " + options_.topic; }

  /// Whether the topic exists. Errors: kNotFound, kRetryable (no broker answers).
  Status check(int timeout_ms) const;

  /// Returns when all rejections of `bulk` are in the topic, on all in-sync replicas; what is too
  /// large for it is cut. After a crash or a failure the topic may hold one twice. Errors:
  /// kRetryable: `give_up` returned true; kFatal: the topic refused a record.
  Status send(const Bulk& bulk, const std::function<bool()>& give_up) override;

 private:
  struct Letter {
    size_t rejection = 0;               // Its place in the bulk's.
    size_t value_bytes_max = SIZE_MAX;  // More than that is cut off.
    bool short_headers = false;         // And no key.
    rd_kafka_resp_err_t answer = RD_KAFKA_RESP_ERR__IN_PROGRESS;
  };

  DeadLetters(DeadLetterOptions options, Tally& tally)
      : options_(std::move(options)), tally_(tally) {}
  Status find_cluster(const std::function<bool()>& give_up);
  static void on_delivery(rd_kafka_t*, const rd_kafka_message_t* message, void*);
  rd_kafka_resp_err_t produce(const Bulk& bulk, Letter& letter);
  Status deliver(const Bulk& bulk, std::span<Letter> letters, const std::function<bool()>& give_up);
  Status cut_and_deliver(const Bulk& bulk, Letter& letter, const std::function<bool()>& give_up);
  Error refused(rd_kafka_resp_err_t code) const;

  const DeadLetterOptions options_;
  Tally& tally_;
  shipper::KafkaLog log_;
  std::mutex mutex_;  // One bulk's letters at a time.
  rd_kafka_t* handle_ = nullptr;
  std::string cluster_;  // Empty until Kafka told.
};

}  // namespace longshore::search
