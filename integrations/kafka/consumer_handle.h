// Calls on a librdkafka consumer that Reader and GroupReader share.
#pragma once

#include <librdkafka/rdkafka.h>

#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

#include "config/result.h"
#include "integrations/kafka/reader.h"
#include "shipper/kafka/settings.h"

namespace longshore::kafka {

/// A librdkafka setting that the operator may not set, and the reason or the flag to use.
using OwnSetting = std::pair<std::string_view, std::string_view>;

/// Errors: kInvalid: `settings` has one of `own`, or one that every reader sets.
Status check_not_own(const shipper::KafkaSettings& settings, std::span<const OwnSetting> own);

/// A consumer. Errors: kInvalid.
Result<rd_kafka_t*> make_consumer(shipper::KafkaConf conf);

/// A consumer that belongs to no group and logs nothing. `own` comes before the operator's
/// `settings`. Errors: kInvalid.
Result<rd_kafka_t*> make_quiet_consumer(const std::string& brokers,
                                        const shipper::KafkaSettings& settings,
                                        const shipper::KafkaSettings& own);

/// Whether librdkafka recovers from this error by itself: an unreachable broker, a moving leader.
bool recovers_by_itself(rd_kafka_resp_err_t code);

/// The first offset that still exists and the one after the last (with read_committed: the last
/// stable one). Asks again for up to `timeout_ms` while the partition's leader is moving.
rd_kafka_resp_err_t ask_ends(rd_kafka_t* handle, const PartitionKey& key, int timeout_ms,
                             int64_t& low, int64_t& high);

/// After its queue was full, librdkafka's broker thread sleeps for up to a second although the
/// queue is empty again. A request to the leader of one of its partitions wakes it.
void wake_broker_thread(rd_kafka_t* handle, const PartitionKey& key);

/// A view of `message`.
ReadRecord record_of(const rd_kafka_message_t& message, std::string_view topic);

}  // namespace longshore::kafka
