// Records that no search server will take, kept in a topic of Kafka: key and value as they came,
// with headers that say where from and why.
//
//   longshore.reason, .status, .topic, .partition, .offset, .action (the action line of _bulk)
//
// Indexing that topic again, when the reason is cured, gives them the ids that they would have had.
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

  /// Returns when all rejections of `bulk` stand in the topic, on all replicas in sync. A letter
  /// may stand there twice after a crash or a failure. Errors: kRetryable: `give_up` said so;
  /// kFatal: the topic refuses a record.
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
