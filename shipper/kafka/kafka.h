// The seam to Kafka. A lane calls these two interfaces; client.h implements them with librdkafka,
// tests/fakes/ with a scripted broker.
//
//   lane --Chunk--> Session (one librdkafka producer handle) --Report--> lane
//
// Crash-only: after a failure other than kRetryable a Session is destroyed and replaced, never
// repaired. That failure is kSessionGone, never kInvalid or kFatal, which would stop the agent: a
// broker may allow the next session what it refuses this one.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "config/ids.h"
#include "config/result.h"
#include "shipper/record/chunk.h"

namespace longshore::shipper {

/// What a failed delivery or call means for the lane besides a rewind.
enum class Trouble : uint8_t {
  kNone,
  kBroker,     ///< Unreachable, timed out, fenced, state lost: rebuild and go on.
  kTooLarge,   ///< MSG_SIZE_TOO_LARGE: rebuild with smaller batches and transactions.
  kTimeout,    ///< The transaction took too long: rebuild with smaller transactions.
  kPartition,  ///< This (topic, partition) is unusable: missing, forbidden. Park it after the
               ///< second failure.
  kSomeTopic,  ///< One of the transaction's topics is unusable, but the broker did not tell which:
               ///< it refused to add it to the transaction.
};

struct TopicPartition {
  std::string topic;
  int32_t partition = 0;
  auto operator<=>(const TopicPartition&) const = default;
};

/// The answers for some messages of one chunk.
struct Report {
  Chunk* chunk = nullptr;
  size_t records = 0;
  size_t value_bytes = 0;
  Trouble trouble = Trouble::kNone;
  std::string message;  ///< Empty when delivered.
};

/// Thread: the lane's. Destruction takes milliseconds even with Kafka away, and gives up everything
/// that was produced and not committed; chunks are free once it has returned.
class Session {
 public:
  virtual ~Session() = default;

  /// Takes over the transactional id and ends a transaction that a predecessor left open.
  /// Errors: kRetryable: call again after a pause; kUndecided: the same, and Kafka answered that
  /// it has not ended that transaction yet; else destroy. REQUIRES: transactional.
  virtual Status init_transactions(int timeout_ms) = 0;
  virtual Status begin() = 0;

  /// Sends messages [first, messages.size()) of `chunk` to `to`, raises chunk->unreported by the
  /// number accepted, and returns that number: if it is smaller, the queue is full, so wait for a
  /// report. Errors: any other local refusal of a message.
  /// REQUIRES: topic_shape() said that the partition exists; a transaction is open if
  /// transactional.
  virtual Result<size_t> produce(Chunk* chunk, size_t first, const TopicPartition& to) = 0;

  /// Waits up to `timeout_ms` for reports and appends them. Returns at once if there are some.
  /// Errors: the handle is dead (fatal error); destroy.
  virtual Status reports(int timeout_ms, std::vector<Report>& out) = 0;

  /// Readable when reports() has something to append, for poll(2). Drained by reports().
  virtual int report_fd() const = 0;

  /// Puts offset N with its digest into the open transaction. May block beyond its timeout.
  /// REQUIRES: a report of the transaction has arrived, or the transaction holds no records.
  virtual Status send_offset(TransactionNumber number, const std::string& digest,
                             int timeout_ms) = 0;

  /// Waits for all outstanding messages and commits, appending reports to `out`. Errors:
  /// kRetryable: call again after a pause; else destroy. Either way the outcome is unknown.
  virtual Status commit(int timeout_ms, std::vector<Report>& out) = 0;

  /// Waits for all outstanding messages: `--delivery=at-least-once`. Errors: kRetryable on timeout.
  virtual Status flush(int timeout_ms, std::vector<Report>& out) = 0;

  /// The trouble of the last failed call.
  virtual Trouble last_trouble() const = 0;
};

struct SessionOptions {
  std::string group;                  ///< lane_group() of config/ids.h.
  std::string transactional_id = {};  ///< Empty: the group's name.
  bool transactional = true;
  size_t batch_bytes = 1'000'000;  ///< librdkafka's batch.size; lowered after kTooLarge.
};

/// Committed offset and its metadata; number empty: none.
struct GroupOffset {
  bool known = false;
  TransactionNumber number;
  std::string digest;
};

/// What Kafka tells of a topic.
struct TopicShape {
  int32_t partitions = 0;
  /// The partitions that take nothing now, and why: "it has no leader".
  std::map<int32_t, std::string> unusable = {};
};

/// Thread: the lane's (one object a lane).
class Kafka {
 public:
  virtual ~Kafka() = default;

  virtual Result<std::unique_ptr<Session>> open(const SessionOptions& options) = 0;

  /// The group's offset on partition 0 of `longshore-checkpoint`, through a short-lived consumer
  /// handle. `stable`: wait out pending transactions (read_committed). Errors: kUndecided: one is
  /// still pending; kRetryable: no broker answers; kNotFound: the topic is missing.
  virtual Result<GroupOffset> committed(const std::string& group, bool stable, int timeout_ms) = 0;

  /// How many partitions a topic has, and which of them can be used. Errors: kNotFound: missing;
  /// kInvalid: forbidden or an illegal name; kRetryable: no broker answers; kUndecided: one does,
  /// and cannot tell yet.
  virtual Result<TopicShape> topic_shape(const std::string& topic, int timeout_ms) = 0;

  /// Errors: kRetryable, kInvalid (forbidden or wrong settings). An existing topic is ok.
  virtual Status create_topic(const std::string& topic, int32_t partitions, int32_t replicas,
                              int timeout_ms) = 0;

  virtual Result<std::string> cluster_id(int timeout_ms) = 0;

  /// Closes the handle that answers committed(), topic_shape() and cluster_id(); the next
  /// question opens it again. Call it when idle: an open connection wakes up every second.
  virtual void close_queries() {}
};

inline constexpr char kCheckpointTopic[] = "longshore-checkpoint";

}  // namespace longshore::shipper
