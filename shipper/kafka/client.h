// librdkafka behind the seam of kafka.h. Which settings an operator may change, and which would
// break a promise, stands in kafka_settings.h.
#pragma once

#include <memory>
#include <string>

#include "shipper/kafka/kafka.h"
#include "shipper/kafka/settings.h"

namespace longshore::shipper {

/// A Kafka on `brokers` with checked `settings` on top of longshore's own. Connects lazily.
/// Outlives its sessions.
std::unique_ptr<Kafka> make_kafka_client(std::string brokers, KafkaSettings settings);

}  // namespace longshore::shipper
