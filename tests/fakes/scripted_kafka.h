// A Kafka in memory behind the seam of shipper/kafka/kafka.h, with the faults that a test asks for.
//
//   lane --produce--> ScriptedSession --commit--> topics, group offsets in ScriptedKafka --> test
//
// What it keeps as a real broker does: records of a transaction and its offset appear together at
// the commit or never; a session that goes aborts what it had open; init_transactions() fences the
// group's older sessions; values are read when a message is delivered, not when it is produced, so
// that bytes freed too early are found. It never waits and draws no random number.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "shipper/kafka/kafka.h"

namespace longshore::fakes {

using shipper::GroupOffset;
using shipper::TopicPartition;
using shipper::Trouble;

enum class Call : uint8_t {
  kOpen,
  kInit,
  kBegin,
  kProduce,
  kReports,
  kSendOffset,
  kCommit,
  kFlush,
  kCommitted,
  kTopicShape,
  kCreateTopic,
  kClusterId,
  kCount
};

/// One call that fails. A session whose call fails with anything but kRetryable is gone.
struct Fault {
  Call call = Call::kCommit;
  size_t nth = 1;    ///< Of this kind, counted from 1 over the life of the ScriptedKafka.
  size_t times = 1;  ///< This many calls in a row.
  ErrorCode code = ErrorCode::kSessionGone;
  Trouble trouble = Trouble::kBroker;
  /// The broker did what was asked and only the answer was lost: a commit that "timed out".
  bool done_anyway = false;
  bool undoes_last = false;  ///< The broker loses what it acknowledged last: undo_last_commit().
};

struct Record {
  std::string key, value;
  bool operator==(const Record&) const = default;
};

struct ScriptedBroker;

/// Thread: any; the test's thread may look while a lane works. Outlives its sessions.
class ScriptedKafka final : public shipper::Kafka {
 public:
  ScriptedKafka();
  ~ScriptedKafka() override;

  // The script.
  void add_topic(const std::string& name, int32_t partitions);
  void remove_topic(const std::string& name);  ///< With its records; later deliveries fail.
  void forbid_topic(const std::string& name);  ///< Lookups: kInvalid; deliveries: kPartition.
  /// While set, a transaction that includes the topic fails, and is not told why.
  void forbid_joining(const std::string& name, bool forbidden);
  void fail(const Fault& fault);
  /// The next `records` records for `to` are refused.
  void fail_deliveries(const TopicPartition& to, size_t records, Trouble trouble);
  /// A partition without a leader takes neither records nor the end of a transaction: the
  /// transactional id of one that was open there stays busy.
  void set_leader(const TopicPartition& which, bool there);
  void set_away(bool away);          ///< Every query and session call fails, kRetryable or gone.
  void set_unstable(bool unstable);  ///< Stable reads of offsets fail: a hanging transaction.
  void set_cluster_id(std::string id);
  void set_queue_records_max(size_t records);                     ///< Of one session.
  void set_offset(const std::string& group, GroupOffset offset);  ///< Empty: expired.
  /// What the broker acknowledged last is gone, records and offset: a hanging transaction that was
  /// aborted by hand. REQUIRES: a commit has happened, and none was undone since.
  void undo_last_commit();

  // What came of it.
  std::vector<Record> records(const TopicPartition& from) const;  ///< Committed ones, in order.
  GroupOffset offset(const std::string& group) const;
  size_t calls(Call call) const;
  size_t commits() const;
  size_t open_sessions() const;
  std::vector<std::string> ids() const;     ///< Transactional ids that were used, in order.
  std::vector<size_t> batch_sizes() const;  ///< Of all sessions, in their order.

  Result<std::unique_ptr<shipper::Session>> open(const shipper::SessionOptions& options) override;
  Result<GroupOffset> committed(const std::string& group, bool stable, int timeout_ms) override;
  Result<shipper::TopicShape> topic_shape(const std::string& topic, int timeout_ms) override;
  Status create_topic(const std::string& topic, int32_t partitions, int32_t replicas,
                      int timeout_ms) override;
  Result<std::string> cluster_id(int timeout_ms) override;

 private:
  const std::unique_ptr<ScriptedBroker> broker_;
};

}  // namespace longshore::fakes
