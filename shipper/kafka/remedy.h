// What an operator can do about a trouble of Kafka's.
#pragma once

#include <librdkafka/rdkafka.h>

#include <string>
#include <string_view>

namespace longshore::shipper {

/// About librdkafka's words for a connection that failed: a sentence that names the setting. Empty:
/// they say enough.
std::string remedy_of(std::string_view words);

/// About an error code; empty: none is known.
std::string remedy_of(rd_kafka_resp_err_t code);

}  // namespace longshore::shipper
