// Kafka as the simulation has it: transactions, group offsets and fencing as a real cluster keeps
// them, and every kind of fault that the protocol of docs/internals.md has to survive.
//
//   lane --Session--> in flight (late, lost, refused) --commit--> committed records --> verdict
//
// A transaction ends committed or aborted when the broker decides, not when its answer arrives: a
// commit may time out and succeed later, and stays pending until then. A partition without a leader
// takes neither records nor the marker that ends a transaction on it; the transactional id stays
// busy until all its markers are written. The marker of the offset waits for none of them.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "shipper/kafka/kafka.h"
#include "tests/simulation/timeline.h"

namespace longshore::simulation {

/// Probabilities of one call or one batch.
struct BrokerFaults {
  double gone = 0;         ///< The session fails and has to be made anew.
  double retryable = 0;    ///< The call times out, nothing done.
  double done_anyway = 0;  ///< The commit is done, its answer lost.
  double late_commit = 0;  ///< The commit's outcome is open for up to a minute.
  double refused = 0;      ///< A delivery fails.
  int64_t latency_ns_max = kMs;
  size_t queue_records_max = 100'000;
};

struct Committed {
  shipper::TopicPartition where;
  std::string key, value;
  uint64_t number = 0;  ///< Of the transaction.
};

class BrokerSession;

/// Thread: the run's. Outlives the agent's lives.
class Broker final : public shipper::Kafka {
 public:
  Broker(Timeline& timeline, BrokerFaults faults) : timeline_(timeline), faults_(faults) {}

  // The world's side.
  void add_topic(const std::string& name, int32_t partitions);
  void remove_topic(const std::string& name) { topics_.erase(name); }
  void forbid(const std::string& name, bool forbidden);
  void set_away(bool away) { away_ = away; }
  void set_unstable(bool unstable) { unstable_ = unstable; }
  void set_message_bytes_max(size_t bytes) { message_bytes_max_ = bytes; }
  /// The coordinator fences whoever ships now.
  void fence();
  /// A partition loses its leader; metadata tells so `told_ns` later, or never.
  void lose_leader(const shipper::TopicPartition& which, int64_t told_ns);
  void find_leader(const shipper::TopicPartition& which);
  int32_t partitions(const std::string& topic) const;
  /// The agent is gone: what it had open is aborted some time.
  void offset_expires();
  /// The last `commits` transactions are lost, with their records.
  void lose(size_t commits);
  void calm_down();
  /// A commit that hangs is decided now.
  void decide();

  const std::vector<Committed>& committed() const { return committed_; }
  /// Records that were committed once and that lose() took back.
  const std::vector<Committed>& lost() const { return lost_; }
  bool went_back() const { return went_back_; }
  /// The offset expired before an agent could see that commits were lost.
  bool lost_unnoticed() const { return lost_unnoticed_; }
  uint64_t number() const { return offset_.number.value; }
  bool commit_pending() const { return !pending_.empty(); }
  size_t commits() const { return commits_; }

  Result<std::unique_ptr<shipper::Session>> open(const shipper::SessionOptions& options) override;
  Result<shipper::GroupOffset> committed(const std::string& group, bool stable,
                                         int timeout_ms) override;
  Result<shipper::TopicShape> topic_shape(const std::string& topic, int timeout_ms) override;
  Status create_topic(const std::string& topic, int32_t partitions, int32_t replicas,
                      int timeout_ms) override;
  Result<std::string> cluster_id(int timeout_ms) override;

 private:
  friend class BrokerSession;
  struct Topic {
    int32_t partitions = 0;
    bool forbidden = false;
  };
  struct Transaction {
    std::vector<Committed> records;
    std::optional<shipper::GroupOffset> offset;
    std::set<shipper::TopicPartition> partitions;  ///< Markers end it there.
  };
  struct Pending {
    std::string id;
    Transaction transaction;
    int64_t due = 0;
    bool commits = false;
  };
  struct Undo {
    shipper::GroupOffset offset;
    size_t records;
  };
  Status query(const char* what, int timeout_ms);
  shipper::Trouble refusal(const shipper::TopicPartition& to, size_t bytes);
  void commit(Transaction transaction);
  void end_on(const std::string& id, const std::set<shipper::TopicPartition>& partitions);
  bool is_pending(const std::string& id) const;
  bool is_busy(const std::string& id);
  bool has_leader(const shipper::TopicPartition& which) const {
    return !leaderless_.contains(which);
  }
  void decide_if_due();

  Timeline& timeline_;
  BrokerFaults faults_;
  std::map<std::string, Topic> topics_;
  std::vector<Committed> committed_, lost_;
  std::vector<Undo> undos_;
  shipper::GroupOffset offset_;
  std::vector<Pending> pending_;
  std::map<shipper::TopicPartition, int64_t> leaderless_;  // When metadata tells.
  // By transactional id: the epoch of who may use it, and where markers have to be written.
  std::map<std::string, uint64_t> epochs_;
  std::map<std::string, std::set<shipper::TopicPartition>> unended_;
  size_t commits_ = 0;
  size_t message_bytes_max_ = 1'100'000;
  bool away_ = false, unstable_ = false, went_back_ = false, lost_unnoticed_ = false;
  size_t lost_at_ = 0;  // How many commits there were when some were lost.
};

}  // namespace longshore::simulation
