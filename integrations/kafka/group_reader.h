// Reads topics as one member of a consumer group. The listener decides where each partition begins
// and when an offset is committed; index and archive use Pump for that.
//
//   join --assigned()--> records, in the order of each partition --> commit()
//        --revoked() or lost()--> join again
//
// The group uses the eager protocol: all partitions are revoked before new ones are assigned. So
// two members that may commit never own the same partition.
#pragma once

#include <librdkafka/rdkafka.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "config/result.h"
#include "integrations/kafka/reader.h"
#include "shipper/kafka/log.h"
#include "shipper/kafka/settings.h"

namespace longshore::kafka {

struct GroupOptions {
  std::string brokers;
  std::string group;
  std::vector<std::string> topics;
  shipper::KafkaSettings
      settings;  ///< The operator's `--kafka k=v`: TLS, SASL, session.timeout.ms.
  bool read_committed = true;
  int queue_kbytes = 32 << 10;  ///< Records fetched ahead, over all partitions.
  int timeout_ms = 10'000;      ///< Of one request to Kafka.
};

/// A partition that is ours from now on, as Kafka has it.
struct AssignedPartition {
  PartitionKey key;
  int64_t committed = -1;    ///< The group's committed offset; -1: none.
  int64_t low = 0;           ///< The first offset that still exists,
  int64_t high = 0;          ///< and the one after the last (with read_committed: the last stable).
  std::string note = {};     ///< What was committed with it.
  int64_t start = -1;        ///< Where to begin; assigned() may change it. `committed`, else `low`.
  std::string cluster = {};  ///< The id of the Kafka cluster.
};

/// Called within poll() and close() only.
class GroupListener {
 public:
  virtual ~GroupListener() = default;

  /// May change `start` of each. An error is returned by poll(), and the reader must be replaced.
  /// It may block, but the group removes a member that is silent for max.poll.interval.ms.
  virtual Status assigned(std::vector<AssignedPartition>& partitions) = 0;

  /// All partitions are still ours until this returns: finish and commit(), or discard.
  virtual void revoked() = 0;

  /// All partitions were already assigned to others: nothing may be committed for them.
  virtual void lost() = 0;

  /// The record is valid during the call.
  virtual void record(const ReadRecord& record) = 0;

  /// The partition cannot be read on from `next`, by no fault of the others: its batch is damaged,
  /// or the broker cannot read it. Nothing of it is handed over until it is paused and resumed,
  /// which tries again.
  virtual void unreadable(const PartitionKey& partition, int64_t next,
                          const std::string& reason) = 0;

  /// The group assigned this partition too, and Kafka does not tell where it begins and ends, as it
  /// has no leader. The others are read without it, and poll() fails once Kafka tells.
  virtual void left_out(const PartitionKey& partition, const std::string& reason) = 0;

  /// Asked after each record: whether poll() must return before it hands over another.
  virtual bool enough() const { return false; }
};

/// How far a partition that is ours was read.
struct GroupPosition {
  PartitionKey key;
  int64_t next = 0;     ///< The offset after the last record handed over.
  int64_t high = 0;     ///< The partition's end as last seen; at least `next`.
  bool at_end = false;  ///< Everything that may be read was handed over.
};

/// Thread: one. Memory: `queue_kbytes`, plus one uncompressed fetch response.
class GroupReader {
 public:
  /// Begins to join, without waiting for Kafka. `listener` outlives the reader.
  /// Errors: kInvalid (setting).
  static Result<std::unique_ptr<GroupReader>> open(const GroupOptions& options,
                                                   GroupListener& listener);
  /// Does not tell the group, like a crash; call close() before to leave properly.
  ~GroupReader();
  GroupReader(const GroupReader&) = delete;
  GroupReader& operator=(const GroupReader&) = delete;

  /// Waits up to `timeout_ms` for a first record and hands over up to `records_max`. An unreachable
  /// broker or a missing topic is no error. After an error only close() is of use: kRetryable
  /// kCorrupt (records were deleted before they were read), kFatal (another member has our
  /// group.instance.id), and those of assigned().
  Status poll(int timeout_ms, size_t records_max);

  /// Commits that everything before `next` is done, and keeps `note` with it (at most 4,096 bytes,
  /// Kafka's offset.metadata.max.bytes). Errors: kNotFound (the partition is no longer
  /// ours: discard what was done for it), kRetryable (no answer: it may have been committed),
  /// kInvalid (not permitted).
  Status commit(const PartitionKey& key, int64_t next, const std::string& note, int timeout_ms);

  /// Back-pressure: pauses the partitions for which `held_back` is true and resumes the others. A
  /// paused partition hands over nothing, and its records that were fetched ahead are fetched
  /// again. None is paused after assigned().
  Status pause_where(const std::function<bool(const PartitionKey&)>& held_back);

  /// Reads the partition again from `offset` once pause_where() lets it; nothing until then.
  void rewind(const PartitionKey& partition, int64_t offset);

  /// Of all partitions that are ours.
  std::vector<GroupPosition> positions() const;
  /// Whether it owns partitions and has read all of them to their ends.
  bool at_end() const;
  /// Whether the group has assigned partitions to this member, possibly none.
  bool joined() const { return joined_; }

  /// Calls revoked() for what is ours, and leaves the group; gives up after `timeout_ms`.
  void close(int timeout_ms);

 private:
  struct Held {
    PartitionKey key;
    int64_t next = 0;
    bool at_end = false;
    bool paused = false;
    bool rewound = false;                               // `next` is still to be sought,
    std::chrono::steady_clock::time_point sought = {};  // for the first time then.
    bool has_stopped = false;                           // It can only be started again.
  };

  GroupReader(const GroupOptions& options, GroupListener& listener)
      : options_(options), listener_(&listener) {}
  static void on_rebalance(rd_kafka_t* handle, rd_kafka_resp_err_t code,
                           rd_kafka_topic_partition_list_t* list, void* opaque);
  static void on_log(const rd_kafka_t* handle, int level, const char* facility, const char* text);
  void rebalance(rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t* list);
  void give_up();
  Status take_on(rd_kafka_topic_partition_list_t* list);
  Result<AssignedPartition> look_at(const rd_kafka_topic_partition_t& element,
                                    int timeout_ms) const;
  bool can_read_left_out();
  Status take(const rd_kafka_message_t& message);
  Status take_error(const rd_kafka_message_t& message);
  Status seek(Held& held);
  Status start_again();
  Held* find(const rd_kafka_message_t& message);
  void nudge();

  GroupOptions options_;
  GroupListener* listener_;
  shipper::KafkaLog log_;
  rd_kafka_t* handle_ = nullptr;
  std::vector<Held> held_;
  std::vector<PartitionKey> left_out_;
  std::chrono::steady_clock::time_point ask_again_;  // For the first of them.
  size_t last_ = 0;                                  // Records come in runs of one partition.
  size_t nudged_ = 0;
  bool joined_ = false;
  Status failed_ = ok();  // Of a callback: returned by the poll() around it.
};

}  // namespace longshore::kafka
