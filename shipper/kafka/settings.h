// The properties of librdkafka: those that longshore sets, those that an operator may set, and
// those that would break a promise.
#pragma once

#include <librdkafka/rdkafka.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "config/result.h"

namespace longshore::shipper {

using KafkaSettings = std::vector<std::pair<std::string, std::string>>;

struct KafkaConfDestroy {
  void operator()(rd_kafka_conf_t* conf) const { rd_kafka_conf_destroy(conf); }
};
using KafkaConf = std::unique_ptr<rd_kafka_conf_t, KafkaConfDestroy>;

/// Checks the operator's `--kafka k=v` settings. Refuses those that break a promise (acks,
/// enable.idempotence, transactional.id, message.timeout.ms, ...), naming what to use instead;
/// those that fall below a limit; those that librdkafka does not know, naming the nearest one that
/// it does; and those that contradict each other. Errors: kInvalid.
Status check_kafka_settings(const KafkaSettings& settings);

/// The part of it that concerns consumers too: whether the files that settings name can be read,
/// and whether SASL has a mechanism. Errors: kInvalid.
Status check_kafka_access(const KafkaSettings& settings);

/// The settings with which Kafka leaves a transaction that gathers for `linger_ms` enough time to
/// be committed: transaction.timeout.ms follows, unless the operator has set it. Errors: kInvalid:
/// the operator's is too short, or no broker would allow one that is long enough.
Result<KafkaSettings> with_transaction_timeout(KafkaSettings settings, int64_t linger_ms);

/// What every handle gets, overridden by the operator's settings. Errors: kInvalid.
Result<KafkaConf> make_kafka_conf(const std::string& brokers, const KafkaSettings& settings);

/// Adds `settings`, which override those before. Errors: kInvalid.
Status add_settings(const KafkaSettings& settings, rd_kafka_conf_t* conf);

/// What a producer needs to keep the promises. An empty `transactional_id`: at least once.
KafkaSettings promised_settings(const std::string& transactional_id);

}  // namespace longshore::shipper
