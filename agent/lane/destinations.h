// Where a lane's records go: which partition of a topic a source uses, how much of each partition
// is outstanding, and which topics are unusable for now.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "config/ids.h"
#include "config/result.h"
#include "shipper/kafka/kafka.h"

namespace longshore::agent {

/// One (topic, partition), fed so that it never holds a full batch behind the one in flight.
struct Destination {
  shipper::TopicPartition where;
  size_t records_out = 0;  ///< Handed to the producer, not reported.
  size_t bytes_out = 0;
  int failures = 0;             ///< Transactions that failed because of it, in a row.
  int64_t parked_until_ns = 0;  ///< Its sources wait; 0: it is in use.
  int64_t park_ns = 0;          ///< How long the last parking was.

  bool has_room() const;
};

struct DestinationOptions {
  std::string host_id;
  int32_t partitions_per_host = 4;
  bool create_topics = false;
  int32_t topic_partitions = 4;
  int32_t topic_replicas = 1;
};

/// Thread: its lane's.
class Destinations {
 public:
  Destinations(DestinationOptions options, shipper::Kafka& kafka);

  /// The destination of a source: `stored` while that partition exists (-1: none), else one of the
  /// host's partitions of the topic by the source's id. Asks Kafka once a topic.
  /// Errors: kNotFound, kInvalid: the topic is missing or forbidden and was parked; kRetryable: no
  /// broker answers.
  Result<Destination*> find(const std::string& topic, SourceId source, int32_t stored,
                            int64_t now_ns);

  /// This partition made a transaction fail: parks it at its second failure in a row.
  void failed(const shipper::TopicPartition& where, const std::string& why, int64_t now_ns);
  /// No transaction may include this topic: parks it.
  void topic_failed(const std::string& name, const std::string& why, int64_t now_ns);
  /// A transaction was committed with records of these topics: their failures are forgotten,
  /// parkings that ended stay over.
  void committed(const std::set<std::string>& topics);
  /// The session is gone and with it all that was outstanding.
  void reset_outstanding();
  /// Topics may have been deleted or made anew: each is looked up again at its next use.
  void forget_shapes();

  /// When a topic that find() refused is worth another call.
  int64_t parked_until_ns(const std::string& topic) const;

 private:
  struct Topic {
    int32_t partitions = 0;
    int64_t parked_until_ns = 0;
    int64_t park_ns = 0;
    int64_t refused_park_ns = 0;  // The last parking by topic_failed().
    std::vector<std::unique_ptr<Destination>> all;
  };
  Status look_up(const std::string& name, Topic& topic, int64_t now_ns);

  const DestinationOptions options_;
  shipper::Kafka& kafka_;
  std::unordered_map<std::string, Topic> topics_;
};

}  // namespace longshore::agent
