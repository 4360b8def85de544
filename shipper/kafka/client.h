// librdkafka as the Kafka of kafka.h. See settings.h for what an operator may change.
#pragma once

#include <memory>
#include <string>

#include "shipper/kafka/kafka.h"
#include "shipper/kafka/settings.h"

namespace longshore::shipper {

/// A Kafka on `brokers` with checked `settings`, which override longshore's own. Connects on first
/// use. REQUIRES: it outlives its sessions.
std::unique_ptr<Kafka> make_kafka_client(std::string brokers, KafkaSettings settings);

}  // namespace longshore::shipper
