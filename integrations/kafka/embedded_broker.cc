#include "integrations/kafka/embedded_broker.h"

#include <fmt/format.h>

#include <charconv>

namespace longshore::kafka {

namespace {

constexpr int kPartitionsMax = 1000;

// It would warn that it has no broker to connect to.
void keep_quiet(const rd_kafka_t*, int, const char*, const char*) {}

}  // namespace

Result<TopicShape> parse_topic_shape(const std::string& text) {
  TopicShape shape;
  const size_t colon = text.find(':');
  shape.name = text.substr(0, colon);
  bool usable = !shape.name.empty();
  if (colon != std::string::npos) {
    const char* const last = text.data() + text.size();
    const auto [end, error] = std::from_chars(text.data() + colon + 1, last, shape.partitions);
    usable = usable && error == std::errc() && end == last && shape.partitions >= 1 &&
             shape.partitions <= kPartitionsMax;
  }
  if (usable) return shape;
  return Error{ErrorCode::kInvalid,
               fmt::format("--topic {}: write it as name:partitions, with 1 to {} partitions.",
                           text, kPartitionsMax)};
}

Result<std::unique_ptr<EmbeddedBroker>> EmbeddedBroker::start(
    const std::vector<TopicShape>& topics) {
  char words[512];
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  rd_kafka_conf_set_log_cb(conf, keep_quiet);
  rd_kafka_t* handle = rd_kafka_new(RD_KAFKA_PRODUCER, conf, words, sizeof words);
  if (!handle) {
    rd_kafka_conf_destroy(conf);
    return Error{ErrorCode::kRetryable, fmt::format("Could not start the broker: {}.", words)};
  }
  rd_kafka_mock_cluster_t* cluster = rd_kafka_mock_cluster_new(handle, 1);
  if (!cluster) {
    rd_kafka_destroy(handle);
    return Error{ErrorCode::kRetryable,
                 "Could not start the broker: no port is free on 127.0.0.1."};
  }
  std::unique_ptr<EmbeddedBroker> broker(new EmbeddedBroker(handle, cluster));
  for (const TopicShape& topic : topics) {
    const auto code = rd_kafka_mock_topic_create(cluster, topic.name.c_str(), topic.partitions, 1);
    if (code) {
      return Error{ErrorCode::kInvalid,
                   fmt::format("--topic {}: {}.", topic.name, rd_kafka_err2str(code))};
    }
  }
  return broker;
}

EmbeddedBroker::~EmbeddedBroker() {
  rd_kafka_mock_cluster_destroy(cluster_);
  rd_kafka_destroy(handle_);
}

std::string EmbeddedBroker::bootstrap() const { return rd_kafka_mock_cluster_bootstraps(cluster_); }

}  // namespace longshore::kafka
