// librdkafka behind the seam of kafka.h. Which settings an operator may change, and which would
// break a promise, stands in kafka_settings().
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "config/result.h"
#include "shipper/kafka.h"

namespace longshore::shipper {

using KafkaSettings = std::vector<std::pair<std::string, std::string>>;

/// Checks the operator's `--kafka k=v` settings: refuses those that break a promise (acks,
/// enable.idempotence, transactional.id, message.timeout.ms, ...: naming what to use instead), and
/// those that librdkafka does not know, naming the nearest one that it does. Errors: kInvalid.
Status check_kafka_settings(const KafkaSettings& settings);

/// A Kafka on `brokers` with checked `settings` on top of longshore's own. Connects lazily.
std::unique_ptr<Kafka> make_kafka_client(std::string brokers, KafkaSettings settings);

}  // namespace longshore::shipper
