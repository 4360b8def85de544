// Reads topics as a member of a consumer group, for those who carry records elsewhere exactly once:
// index and archive. Where a partition is read from, and when an offset is committed, is theirs to
// say.
//
//   join --assigned()--> records, in the order of each partition --> commit()
//        --revoked() or lost()--> join again
//
// The protocol among members is the eager one: all partitions go, then the new ones come. A
// partition is therefore never held by two members who both may commit it.
#pragma once

#include <librdkafka/rdkafka.h>

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
  int timeout_ms = 10'000;      ///< Of one question to Kafka.
};

/// A partition that is ours from now on, as Kafka has it.
struct AssignedPartition {
  std::string topic;
  int32_t partition = 0;
  int64_t committed = -1;  ///< The group's committed offset; -1: none.
  int64_t low = 0;         ///< The oldest offset that is there,
  int64_t high = 0;        ///< and the one behind the last, or behind the last decided one.
  int64_t start = -1;  ///< Set by assigned(): where to begin. Begins as `committed`, else `low`.
};

/// What the reader's owner is told, always within poll() or close().
class GroupListener {
 public:
  virtual ~GroupListener() = default;

  /// Sets `start` of each. An error ends the poll() with it, and the reader must be made anew.
  /// It may block, but the group gives the member up after max.poll.interval.ms.
  virtual Status assigned(std::vector<AssignedPartition>& partitions) = 0;

  /// All partitions go. They are still ours until this returns: finish and commit(), or discard.
  virtual void revoked() = 0;

  /// All partitions are already another's: nothing of them may be committed any more.
  virtual void lost() = 0;

  /// The record is valid during the call.
  virtual void record(const ReadRecord& record) = 0;

  /// Asked after each record: whether poll() shall return before it hands over more.
  virtual bool enough() const { return false; }
};

/// How far a partition that is ours was read.
struct GroupPosition {
  std::string topic;
  int32_t partition = 0;
  int64_t next = 0;     ///< The offset behind the last record handed over.
  int64_t high = 0;     ///< The partition's end, as far as known; at least `next`.
  bool at_end = false;  ///< Everything that may be read was handed over.
};

/// Thread: one. Memory: `queue_kbytes`, and what one answer of a broker holds unpacked.
class GroupReader {
 public:
  /// Begins to join; talks to nobody yet. `listener` outlives the reader.
  /// Errors: kInvalid (setting).
  static Result<std::unique_ptr<GroupReader>> open(const GroupOptions& options,
                                                   GroupListener& listener);
  /// Leaves without a word to the group, as a crash does; close() is the polite way.
  ~GroupReader();
  GroupReader(const GroupReader&) = delete;
  GroupReader& operator=(const GroupReader&) = delete;

  /// Waits up to `timeout_ms` for a first record and hands over up to `records_max`. A broker that
  /// is away and a topic that is missing are waited for. Errors, after each of which the reader is
  /// of no more use: kRetryable, kCorrupt (records were deleted before they were read), kFatal
  /// (another member has our group.instance.id), and what assigned() returned.
  Status poll(int timeout_ms, size_t records_max);

  /// Commits that everything before `next` is done. Errors: kNotFound (the partition is not ours
  /// any more: discard what was done for it), kRetryable (no answer: it may have been committed),
  /// kInvalid (not permitted).
  Status commit(const std::string& topic, int32_t partition, int64_t next, int timeout_ms);

  /// Back-pressure: a paused partition hands over nothing until it is resumed; what was fetched of
  /// it ahead is fetched again. Doing it again changes nothing; nobody is paused after assigned().
  Status pause(const std::string& topic, int32_t partition);
  Status resume(const std::string& topic, int32_t partition);

  /// Of all partitions that are ours.
  std::vector<GroupPosition> positions() const;
  /// Whether it has partitions, and all of them were read to their ends.
  bool at_end() const;
  /// Whether the group has given this member its partitions; these may be none.
  bool joined() const { return joined_; }

  /// Says revoked() for what is ours, and leaves the group; gives up after `timeout_ms`.
  void close(int timeout_ms);

 private:
  struct Held {
    std::string topic;
    int32_t partition = 0;
    int64_t next = 0;
    bool at_end = false;
    bool paused = false;
  };

  GroupReader(const GroupOptions& options, GroupListener& listener)
      : options_(options), listener_(&listener) {}
  static void on_rebalance(rd_kafka_t* handle, rd_kafka_resp_err_t code,
                           rd_kafka_topic_partition_list_t* list, void* opaque);
  static void on_log(const rd_kafka_t* handle, int level, const char* facility, const char* text);
  void rebalance(rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t* list);
  void give_up();
  Status take_on(rd_kafka_topic_partition_list_t* list);
  Result<AssignedPartition> look_at(const rd_kafka_topic_partition_t& element) const;
  Status take(const rd_kafka_message_t& message);
  Status take_error(const rd_kafka_message_t& message);
  Held* find(const rd_kafka_message_t& message);
  Held* find(const std::string& topic, int32_t partition);
  void nudge();

  GroupOptions options_;
  GroupListener* listener_;
  shipper::KafkaLog log_;
  rd_kafka_t* handle_ = nullptr;
  std::vector<Held> held_;
  size_t last_ = 0;  // Records come in runs of one partition.
  size_t nudged_ = 0;
  bool joined_ = false;
  Status failed_ = ok();  // Of a callback, for the poll() around it.
};

}  // namespace longshore::kafka
