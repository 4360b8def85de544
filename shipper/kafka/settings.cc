#include "shipper/kafka/settings.h"

#include <strings.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <sstream>
#include <string_view>

#include "config/kafka_flags.h"
#include "config/limits.h"
#include "config/nearest.h"

namespace longshore::shipper {

namespace {

constexpr char kTransactionTimeout[] = "transaction.timeout.ms";

// An operator may set any property of librdkafka except these.
struct Refused {
  std::string_view name, remedy;
};
constexpr std::string_view kExactlyOnce =
    "exactly-once delivery depends on it; for weaker promises use --delivery=at-least-once";
constexpr std::string_view kNoTimeout =
    "longshore waits while Kafka is away and never gives a record up";
constexpr std::string_view kNames =
    "it consists of the host id in the state directory and the lane";
constexpr std::string_view kInner = "longshore reads Kafka's answers through it";
constexpr std::string_view kFeeding =
    "longshore feeds partitions in batches of its own size; --linger-ms and --batch-bytes trade "
    "latency for throughput";
constexpr std::array kRefused = std::to_array<Refused>({
    {"acks", kExactlyOnce},
    {"request.required.acks", kExactlyOnce},
    {"enable.idempotence", kExactlyOnce},
    {"max.in.flight", kExactlyOnce},
    {"max.in.flight.requests.per.connection", kExactlyOnce},
    {"queuing.strategy", "the order of lines depends on it"},
    {"partitioner", "a source keeps its partition; use --partitions-per-host"},
    {"isolation.level", kExactlyOnce},
    {"message.timeout.ms", kNoTimeout},
    {"delivery.timeout.ms", kNoTimeout},
    {"retries", kNoTimeout},
    {"message.send.max.retries", kNoTimeout},
    {"message.max.bytes", "records of 1,000,000 bytes must pass; raise it on the broker instead"},
    {"transactional.id", kNames},
    {"group.id", kNames},
    {"bootstrap.servers", "use --brokers"},
    {"metadata.broker.list", "use --brokers"},
    {"allow.auto.create.topics", "use --create-topics"},
    {"delivery.report.only.error", kInner},
    {"enabled_events", kInner},
    {"opaque", kInner},
    {"test.mock.num.brokers", "records would go to brokers that exist only in memory"},
    {"batch.num.messages", kFeeding},
    {"batch.size", kFeeding},
});

// These may be raised, but not below what longshore relies on.
struct AtLeast {
  std::string_view name;
  uint64_t least;
  std::string_view reason;
};
constexpr std::array kAtLeast = std::to_array<AtLeast>({
    {"queue.buffering.max.messages", limits::kQueueRecordsMin, "a full batch must fit the queue"},
    {"queue.buffering.max.kbytes", limits::kQueueKiBMin, "a lane's memory must fit the queue"},
});

// An operator may change these: they affect speed, not promises. Only the size of batches is
// longshore's own, because feeding partitions depends on it (limits.h, kFeedRecords).
KafkaSettings usual_settings() {
  return {
      {"client.id", "longshore"},
      {"socket.nagle.disable", "true"},  // Otherwise each transaction waits 40 ms for acks.
      {"retry.backoff.ms", "20"},        // CONCURRENT_TRANSACTIONS right after a commit is usual.
      {"reconnect.backoff.max.ms", "1000"},
      {"compression.codec", "lz4"},
      {kTransactionTimeout, std::to_string(limits::kTransactionTimeoutMs)},
      {"linger.ms", "1000"},
      {"batch.num.messages", std::to_string(limits::kBatchRecords)},
      {"queue.buffering.max.messages", std::to_string(limits::kQueueRecords)},
      {"queue.buffering.max.kbytes", std::to_string(limits::kQueueKiB)},
  };
}

// From librdkafka's own table, "name | C/P | range | ...". rd_kafka_conf_dump() leaves out aliases
// such as linger.ms and acks.
std::vector<std::string> known_settings() {
  char* text = nullptr;
  size_t size = 0;
  std::FILE* const table = open_memstream(&text, &size);
  if (!table) return {};
  rd_kafka_conf_properties_show(table);
  std::fclose(table);
  std::vector<std::string> names;
  std::istringstream lines(std::string(text, size));
  std::free(text);
  for (std::string line; std::getline(lines, line);) {
    const size_t end = line.find_first_not_of("abcdefghijklmnopqrstuvwxyz._");
    if (end == 0 || end == std::string::npos || line[end] != ' ') continue;
    if (line.find('|') != std::string::npos) names.push_back(line.substr(0, end));
  }
  return names;
}

Status set(const std::string& name, const std::string& value, rd_kafka_conf_t* conf) {
  char words[512];
  switch (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), words, sizeof words)) {
    case RD_KAFKA_CONF_OK:
      return ok();
    case RD_KAFKA_CONF_INVALID:
      // librdkafka quotes the value.
      return invalid("Kafka setting " + name + " has an unusable value" +
                     (is_secret(name) ? "" : " '" + value + "': " + words) + ".");
    case RD_KAFKA_CONF_UNKNOWN:
      break;
  }
  const std::string near = nearest(name, known_settings());
  return invalid("Kafka setting " + name + " is unknown to librdkafka" +
                 (near.empty() ? "." : "; did you mean " + near + "?"));
}

// Empty if it is not a number, which librdkafka refuses, or 0, which may mean "no limit".
std::optional<uint64_t> number_of(const std::string& value) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  const bool whole = error == std::errc() && end == value.data() + value.size();
  return whole && number > 0 ? std::optional(number) : std::nullopt;
}

Status check_bounds(const std::string& name, const std::string& value) {
  for (const Refused& refused : kRefused) {
    if (name != refused.name) continue;
    return invalid("Kafka setting " + name + " is refused: " + std::string(refused.remedy) + ".");
  }
  for (const AtLeast& bound : kAtLeast) {
    if (name != bound.name || number_of(value).value_or(bound.least) >= bound.least) continue;
    return invalid("Kafka setting " + name + "=" + value +
                   " is too small: " + std::string(bound.reason) + ", so use at least " +
                   std::to_string(bound.least) + ".");
  }
  return ok();
}

// Without a mechanism librdkafka tries Kerberos, and what it then says does not name the setting.
Status check_mechanism(const KafkaSettings& settings) {
  std::string protocol;
  bool has_mechanism = false;
  for (const auto& [name, value] : settings) {
    if (name == "security.protocol") protocol = value;
    has_mechanism = has_mechanism || name == "sasl.mechanism" || name == "sasl.mechanisms" ||
                    name.starts_with("sasl.kerberos.");
  }
  if (has_mechanism || ::strncasecmp(protocol.c_str(), "sasl", 4) != 0) return ok();
  return invalid("Kafka setting security.protocol=" + protocol +
                 " needs sasl.mechanism, which is not set: give the one that the brokers' listener "
                 "has, such as SCRAM-SHA-512, PLAIN, OAUTHBEARER or GSSAPI.");
}

Status check_files(const KafkaSettings& settings) {
  for (const auto& [name, value] : settings) {
    const bool is_file = name.starts_with("ssl.") && name.ends_with(".location");
    if (!is_file || value.empty() || value == "probe") continue;
    if (::access(value.c_str(), R_OK) == 0) continue;
    return invalid("Kafka setting " + name + " names " + value +
                   ", which cannot be read: " + std::strerror(errno) +
                   ". Give the right path, and the process's user the right to read it.");
  }
  return ok();
}

// Settings that contradict each other or name unreadable files are found only by creating a handle.
// It has no brokers, so it connects to nothing.
Status try_out(KafkaConf conf) {
  if (Status own = add_settings(promised_settings("longshore-check"), conf.get()); !own) return own;
  rd_kafka_conf_set_log_cb(conf.get(), nullptr);
  char words[512];
  rd_kafka_t* handle = rd_kafka_new(RD_KAFKA_PRODUCER, conf.get(), words, sizeof words);
  if (!handle)
    return invalid(std::string("The Kafka settings do not work together: ") + words + ".");
  // The handle owns it now.
  static_cast<void>(conf.release());
  rd_kafka_destroy(handle);
  return ok();
}

}  // namespace

Status add_settings(const KafkaSettings& settings, rd_kafka_conf_t* conf) {
  for (const auto& [name, value] : settings) {
    if (Status status = set(name, value, conf); !status) return status;
  }
  return ok();
}

KafkaSettings promised_settings(const std::string& transactional_id) {
  KafkaSettings settings = {{"acks", "all"}, {"enable.idempotence", "true"}};
  if (transactional_id.empty()) {
    settings.emplace_back("message.timeout.ms", "0");
  } else {
    settings.emplace_back("transactional.id", transactional_id);
  }
  return settings;
}

Result<KafkaConf> make_kafka_conf(const std::string& brokers, const KafkaSettings& settings) {
  KafkaConf conf(rd_kafka_conf_new());
  KafkaSettings own = usual_settings();
  // A record of limits::kRecordBytesMax with its key and frame; the broker's own default is 12
  // bytes more.
  own.emplace_back("message.max.bytes", "1048576");
  own.emplace_back("allow.auto.create.topics", "false");
  if (!brokers.empty()) own.emplace_back("bootstrap.servers", brokers);
  if (Status status = add_settings(own, conf.get()); !status) return status.error();
  if (Status status = add_settings(settings, conf.get()); !status) return status.error();
  return conf;
}

Status check_kafka_access(const KafkaSettings& settings) {
  const Status checked = check_mechanism(settings);
  return checked ? check_files(settings) : checked;
}

Status check_kafka_settings(const KafkaSettings& settings) {
  for (const auto& [name, value] : settings) {
    if (Status checked = check_bounds(name, value); !checked) return checked;
  }
  if (Status checked = check_kafka_access(settings); !checked) return checked;
  Result<KafkaConf> conf = make_kafka_conf("", settings);
  if (!conf) return conf.error();
  return try_out(std::move(*conf));
}

Result<KafkaSettings> with_transaction_timeout(KafkaSettings settings, int64_t linger_ms) {
  std::optional<uint64_t> own_ms;
  for (const auto& [name, value] : settings) {
    if (name == kTransactionTimeout) own_ms = number_of(value);
  }
  const uint64_t needed_ms = static_cast<uint64_t>(linger_ms) + limits::kTransactionCloseMs;
  const std::string needs = "--linger-ms " + std::to_string(linger_ms) + " needs --kafka " +
                            kTransactionTimeout + "=" + std::to_string(needed_ms) + " or more";
  if (own_ms && *own_ms < needed_ms) {
    return invalid("Kafka would abort transactions before they are committed: " + needs +
                   ", it is " + std::to_string(*own_ms) + ".");
  }
  if (own_ms || needed_ms <= limits::kTransactionTimeoutMs) return settings;
  if (needed_ms > limits::kTransactionTimeoutMsMax) {
    return invalid(
        "Kafka would refuse transactions that gather for so long: " + needs +
        ", but brokers allow " + std::to_string(limits::kTransactionTimeoutMsMax) +
        " unless their transaction.max.timeout.ms is raised. Lower --linger-ms, or raise "
        "that and give both.");
  }
  settings.emplace_back(kTransactionTimeout, std::to_string(needed_ms));
  return settings;
}

}  // namespace longshore::shipper
