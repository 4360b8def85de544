// Where a lane's records go: which partition of a topic a source uses, how much is outstanding for
// each partition, and which topics are unusable for now.
//
//   source --find()--> Destination <--failed(), topic_failed()-- Blame
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "config/backoff.h"
#include "config/ids.h"
#include "config/limits.h"
#include "config/result.h"
#include "shipper/kafka/kafka.h"

namespace longshore::agent {

/// One partition of a topic, fed so that no full batch waits while another is in flight.
struct Destination {
  shipper::TopicPartition where;
  size_t records_out = 0;  ///< Handed over and not reported.
  size_t bytes_out = 0;
  int64_t silent_since_ns = 0;    ///< While records are out: when it was last heard of.
  int64_t used_ns = 0;            ///< When records were handed over last.
  bool refused = false;           ///< A record of this session was not taken.
  int failures = 0;               ///< Transactions in a row that failed because of it.
  int64_t parked_until_ns = 0;    ///< Its sources wait; 0: it is in use.
  int64_t unusable_since_ns = 0;  ///< Kafka told that it takes nothing; 0: it did not.
  Backoff parking{limits::kParkNsMin, limits::kParkNsMax};  ///< After failures.
  Backoff silence{limits::kParkNsMin, limits::kParkNsMax};  ///< After silence, until it answers.

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

  /// The destination of a source: partition `stored` while it exists (-1: none), otherwise one of
  /// the host's partitions of the topic, chosen by the source's id. Asks Kafka once for each topic.
  /// Errors: kNotFound, kInvalid: the topic is missing or forbidden, and is parked; kRetryable: no
  /// broker answers, and it is parked for a moment.
  Result<Destination*> find(const std::string& topic, SourceId source, int32_t stored,
                            int64_t now_ns);

  /// Whether it takes records now; otherwise it is parked. One that was parked because Kafka told
  /// that it takes nothing is asked about first, and parked again if that has not changed.
  bool is_usable(Destination& to, int64_t now_ns);

  /// When the partition that has been silent for longest was last heard of; 0: none is awaited.
  int64_t silent_since_ns() const;
  /// Whether records are out to a partition that is not parked and has refused none.
  bool awaits_usable(int64_t now_ns) const;
  /// Asks Kafka about the topics of partitions that were used after `since_ns`, and parks those
  /// that take nothing. Returns what is wrong with those; empty: nothing is known. Errors:
  /// kRetryable: no broker answers.
  Result<std::string> park_unusable(int64_t since_ns, int64_t now_ns);
  /// Parks those that have been silent since `since_ns` or before, though Kafka gave no reason.
  /// Returns which.
  std::string park_silent(int64_t since_ns, int64_t now_ns);

  /// The partition made a transaction fail: parks it at its second failure in a row.
  void failed(const shipper::TopicPartition& where, const std::string& why, int64_t now_ns);
  /// No transaction may include this topic: parks it.
  void topic_failed(const std::string& name, const std::string& why, int64_t now_ns);
  /// A transaction with records of these topics was committed: forgets their failures.
  void committed(const std::set<std::string>& topics);
  /// The session is gone, and with it everything that was outstanding.
  void reset_outstanding();
  /// Topics may have been deleted or created again: each is looked up at its next use.
  void forget_shapes();

  /// When a topic that find() refused is worth another call.
  int64_t parked_until_ns(const std::string& topic) const;

 private:
  struct Topic {
    shipper::TopicShape shape;  ///< Without partitions: to be looked up.
    int64_t looked_up_ns = 0;
    int64_t parked_until_ns = 0;
    Backoff missing{limits::kParkNsMin, limits::kParkNsMax};  // By look_up().
    Backoff barred{limits::kParkNsMin, limits::kParkNsMax};   // By topic_failed().
    std::vector<std::unique_ptr<Destination>> all;
  };
  Status look_up(const std::string& name, Topic& topic, int64_t now_ns);
  void take_shape(Topic& topic, shipper::TopicShape shape, int64_t now_ns);
  void apply_shape(const Topic& topic, Destination& to, int64_t now_ns);

  const DestinationOptions options_;
  shipper::Kafka& kafka_;
  std::unordered_map<std::string, Topic> topics_;
};

}  // namespace longshore::agent
