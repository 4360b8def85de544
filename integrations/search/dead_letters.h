// Records that the search service rejects for good, kept in a Kafka topic: key and value unchanged,
// with headers that tell where each came from and why it was rejected.
//
//   longshore.reason, .status, .topic, .partition, .offset, .action (the action line of _bulk)
//
// Once the reason is fixed, that topic can be indexed: documents get the same ids as they would
// have.
#pragma once

#include <librdkafka/rdkafka.h>

#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "config/result.h"
#include "integrations/search/bulk.h"
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
class DeadLetters {
 public:
  /// Errors: kInvalid.
  static Result<std::unique_ptr<DeadLetters>> open(const DeadLetterOptions& options, Tally& tally);
  ~DeadLetters();
  DeadLetters(const DeadLetters&) = delete;
  DeadLetters& operator=(const DeadLetters&) = delete;

  const std::string& topic() const { return options_.topic; }

  /// Whether the topic exists. Errors: kNotFound, kRetryable (no broker answers).
  Status check(int timeout_ms) const;

  /// Returns when all rejections of `bulk` are in the topic, on all in-sync replicas. After a crash
  /// or a failure the topic may hold one twice. Errors: kRetryable: `give_up` returned true;
  /// kFatal: the topic refused a record.
  Status send(const Bulk& bulk, const std::function<bool()>& give_up);

 private:
  struct Delivery {
    size_t open = 0;
    rd_kafka_resp_err_t failed = RD_KAFKA_RESP_ERR_NO_ERROR;
  };

  DeadLetters(DeadLetterOptions options, Tally& tally)
      : options_(std::move(options)), tally_(tally) {}
  static void on_delivery(rd_kafka_t*, const rd_kafka_message_t* message, void*);
  rd_kafka_resp_err_t produce(const Bulk& bulk, const Rejection& rejection, Delivery& delivery);
  Error refused(rd_kafka_resp_err_t code) const;

  const DeadLetterOptions options_;
  Tally& tally_;
  shipper::KafkaLog log_;
  std::mutex mutex_;  // One bulk's letters at a time.
  rd_kafka_t* handle_ = nullptr;
};

}  // namespace longshore::search
