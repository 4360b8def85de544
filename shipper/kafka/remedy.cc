#include "shipper/kafka/remedy.h"

#include <array>

namespace longshore::shipper {
namespace {

struct Remedy {
  std::string_view words;  // Part of librdkafka's or OpenSSL's.
  std::string_view remedy;
};
constexpr std::string_view kNoTls =
    "That port does not speak TLS: give the port of the TLS listener in --brokers, or set "
    "security.protocol to PLAINTEXT (with SASL: SASL_PLAINTEXT).";
// The first that fits counts.
constexpr std::array kRemedies = std::to_array<Remedy>({
    {"connecting to a SSL listener",
     "If that port expects TLS, set security.protocol to SSL (with SASL: SASL_SSL), or give the "
     "port of the plaintext listener in --brokers."},
    {"connecting to a PLAINTEXT broker listener", kNoTls},
    {"wrong version number", kNoTls},
    {"packet length too long", kNoTls},
    {"certificate could not be verified",
     "Set ssl.ca.location to the file of the authority that signed the brokers' certificates."},
    {"client SSL authentication might be required",
     "Set ssl.certificate.location and ssl.key.location to this client's certificate and key."},
    {"might require SASL authentication",
     "Set security.protocol to SASL_SSL or SASL_PLAINTEXT, and sasl.mechanism, sasl.username and "
     "sasl.password in the file of --kafka-config."},
    {"Unsupported SASL mechanism",
     "Set sasl.mechanism to one that the brokers' listener has enabled."},
    {"uthentication failed",
     "Check sasl.mechanism, sasl.username and sasl.password in the file of --kafka-config."},
    {"Failed to resolve", "Check the names in --brokers and this host's DNS."},
});

}  // namespace

std::string remedy_of(std::string_view words) {
  for (const Remedy& each : kRemedies) {
    if (words.find(each.words) != std::string_view::npos) return std::string(each.remedy);
  }
  return "";
}

std::string remedy_of(rd_kafka_resp_err_t code) {
  switch (code) {
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
      return "Grant READ on that group; an agent's groups have the prefix longshore-agent. "
             "(docs/security.md).";
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
      return "Grant WRITE on it; an agent's transactional ids have the prefix longshore-agent. "
             "(docs/security.md).";
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
      return "Grant WRITE on it, or READ on longshore-checkpoint (docs/security.md).";
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
      return "Grant CREATE on it, or create it yourself (docs/security.md).";
    case RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT:
      return "The brokers' transaction.max.timeout.ms is shorter: lower --linger-ms and "
             "transaction.timeout.ms, or raise it.";
    default:
      return "";
  }
}

}  // namespace longshore::shipper
