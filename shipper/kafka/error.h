// What librdkafka's error codes mean for a lane.
#pragma once

#include <librdkafka/rdkafka.h>

#include <memory>
#include <string>

#include "config/result.h"
#include "shipper/kafka/kafka.h"

namespace longshore::shipper {

struct KafkaErrorDestroy {
  void operator()(rd_kafka_error_t* error) const { rd_kafka_error_destroy(error); }
};
using KafkaError = std::unique_ptr<rd_kafka_error_t, KafkaErrorDestroy>;

/// The trouble of a failed delivery, or of a failed call on one partition.
Trouble trouble_of(rd_kafka_resp_err_t code);

/// Whether the operator must change settings or rights before the call can succeed.
bool is_refusal(rd_kafka_resp_err_t code);

/// "Could not <what>: <librdkafka's words> (<its name>)." kInvalid for a refusal, else kRetryable.
Error query_error(const std::string& what, rd_kafka_resp_err_t code);

/// The error of a transaction's call: kRetryable only if the same call may simply be repeated, else
/// kSessionGone.
Error call_error(const std::string& what, const rd_kafka_error_t& error);

}  // namespace longshore::shipper
