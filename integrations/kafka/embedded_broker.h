// A Kafka broker inside this process, for trying longshore out: librdkafka's mock cluster, on
// loopback and in memory only. It keeps the last 5 MB or 100,000 batches of a partition, ignores
// offsets sent to a transaction and shows aborted records, so it cannot prove exactly-once.
#pragma once

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <memory>
#include <string>
#include <vector>

#include "config/result.h"

namespace longshore::kafka {

struct TopicShape {
  std::string name;
  int partitions = 1;
};

/// "name" or "name:partitions". Errors: kInvalid.
Result<TopicShape> parse_topic_shape(const std::string& text);

/// Thread: the owner's; librdkafka serves clients on its own thread. The kernel chooses the port:
/// the mock cluster has no setting for it.
class EmbeddedBroker {
 public:
  /// Errors: kInvalid (topic), kRetryable (no port).
  static Result<std::unique_ptr<EmbeddedBroker>> start(const std::vector<TopicShape>& topics);
  ~EmbeddedBroker();
  EmbeddedBroker(const EmbeddedBroker&) = delete;
  EmbeddedBroker& operator=(const EmbeddedBroker&) = delete;

  /// 127.0.0.1:PORT
  std::string bootstrap() const;

 private:
  EmbeddedBroker(rd_kafka_t* handle, rd_kafka_mock_cluster_t* cluster)
      : handle_(handle), cluster_(cluster) {}

  rd_kafka_t* handle_;
  rd_kafka_mock_cluster_t* cluster_;
};

}  // namespace longshore::kafka
