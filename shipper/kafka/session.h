// One librdkafka producer as the Session of kafka.h.
#pragma once

#include <librdkafka/rdkafka.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "config/fd.h"
#include "shipper/kafka/error.h"
#include "shipper/kafka/kafka.h"
#include "shipper/kafka/settings.h"

namespace longshore::shipper {

struct KafkaHandleDestroy {
  void operator()(rd_kafka_t* handle) const {
    rd_kafka_destroy_flags(handle, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
  }
};
using KafkaHandle = std::unique_ptr<rd_kafka_t, KafkaHandleDestroy>;

/// The handle of `conf`, whose settings were checked at the start. Errors: kRetryable: no thread
/// could be started, or a file that `conf` names is missing.
Result<KafkaHandle> make_kafka_handle(rd_kafka_type_t type, KafkaConf conf);

/// Thread: the lane's. A commit or a flush blocks in librdkafka until reports have been served, so
/// only that call runs on a thread of its own while the lane's thread serves them.
class KafkaSession final : public Session {
 public:
  /// `conf` comes from make_kafka_conf() and has a log attached. Errors: kRetryable.
  static Result<std::unique_ptr<Session>> open(KafkaConf conf, const SessionOptions& options);

  ~KafkaSession() override;

  Status init_transactions(int timeout_ms) override;
  Status begin() override;
  Result<size_t> produce(Chunk* chunk, size_t first, const TopicPartition& to) override;
  Status reports(int timeout_ms, std::vector<Report>& out) override;
  int report_fd() const override { return wake_.get(); }
  Status send_offset(TransactionNumber number, const std::string& digest, int timeout_ms) override;
  Status commit(int timeout_ms, std::vector<Report>& out) override;
  Status flush(int timeout_ms, std::vector<Report>& out) override;
  Trouble last_trouble() const override { return trouble_; }

 private:
  KafkaSession(KafkaHandle handle, Fd wake, const std::string& group);

  rd_kafka_topic_t* topic(const std::string& name);
  Error refused(const rd_kafka_message_t* messages, size_t count, size_t taken,
                const TopicPartition& to);
  Status ended(const std::string& what, KafkaError error);
  // Why the open transaction failed, if librdkafka reported only a consequence.
  Trouble cause_of(rd_kafka_resp_err_t code);

  // Takes all queued events, waiting up to `timeout_ms` for the first.
  void serve(int timeout_ms, std::vector<Report>& out);
  void take(rd_kafka_event_t* event, std::vector<Report>& out);
  // Runs the blocking `call` and serves events until it returns.
  void run_serving(const std::function<void()>& call, std::vector<Report>& out);

  struct TopicDestroy {
    void operator()(rd_kafka_topic_t* topic) const { rd_kafka_topic_destroy(topic); }
  };
  struct QueueDestroy {
    void operator()(rd_kafka_queue_t* queue) const { rd_kafka_queue_destroy(queue); }
  };
  struct GroupDestroy {
    void operator()(rd_kafka_consumer_group_metadata_t* group) const {
      rd_kafka_consumer_group_metadata_destroy(group);
    }
  };

  Fd wake_;             // eventfd(2), written by librdkafka when the queue fills.
  KafkaHandle handle_;  // Before its parts: members are destroyed in reverse order.
  std::unique_ptr<rd_kafka_queue_t, QueueDestroy> queue_;
  std::unique_ptr<rd_kafka_consumer_group_metadata_t, GroupDestroy> group_;
  std::map<std::string, std::unique_ptr<rd_kafka_topic_t, TopicDestroy>, std::less<>> topics_;
  bool in_transaction_ = false, committing_ = false;
  Trouble trouble_ = Trouble::kNone;
  std::vector<Report> victims_;                // Collected by take() until the cause is known.
  Trouble delivery_trouble_ = Trouble::kNone;  // Of the first failed delivery since begin().
};

}  // namespace longshore::shipper
