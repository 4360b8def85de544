#include "shipper/kafka/error.h"

#include "shipper/kafka/remedy.h"

namespace longshore::shipper {

namespace {

std::string sentence(const std::string& what, const char* words, rd_kafka_resp_err_t code) {
  std::string all = "Could not " + what + ": " + words + " (" + rd_kafka_err2name(code) + ").";
  const std::string remedy = remedy_of(code);
  return remedy.empty() ? all : all + " " + remedy;
}

}  // namespace

Trouble trouble_of(rd_kafka_resp_err_t code) {
  switch (code) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
      return Trouble::kNone;
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
      return Trouble::kTooLarge;
    case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE:
    case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
      return Trouble::kTimeout;
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
    case RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP:  // Our clock is further ahead than the topic allows.
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
      return Trouble::kPartition;
    default:
      return Trouble::kBroker;
  }
}

bool is_refusal(rd_kafka_resp_err_t code) {
  switch (code) {
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
    case RD_KAFKA_RESP_ERR_INVALID_PARTITIONS:
    case RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR:
    case RD_KAFKA_RESP_ERR_INVALID_CONFIG:
    case RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT:
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
    case RD_KAFKA_RESP_ERR__INVALID_ARG:
      return true;
    default:
      return false;
  }
}

Error query_error(const std::string& what, rd_kafka_resp_err_t code) {
  return {is_refusal(code) ? ErrorCode::kInvalid : ErrorCode::kRetryable,
          sentence(what, rd_kafka_err2str(code), code)};
}

Error call_error(const std::string& what, const rd_kafka_error_t& error) {
  const bool again = rd_kafka_error_is_retriable(&error) && !rd_kafka_error_is_fatal(&error) &&
                     !rd_kafka_error_txn_requires_abort(&error);
  return {again ? ErrorCode::kRetryable : ErrorCode::kSessionGone,
          sentence(what, rd_kafka_error_string(&error), rd_kafka_error_code(&error))};
}

}  // namespace longshore::shipper
