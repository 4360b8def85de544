#include "shipper/kafka/client.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstring>
#include <utility>

#include "shipper/kafka/error.h"
#include "shipper/kafka/log.h"
#include "shipper/kafka/session.h"

namespace longshore::shipper {

namespace {

template <typename T, void (*kDestroy)(T*)>
struct Destroy {
  void operator()(T* object) const { kDestroy(object); }
};
template <typename T, void (*kDestroy)(T*)>
using Owned = std::unique_ptr<T, Destroy<T, kDestroy>>;

void destroy_metadata(const rd_kafka_metadata_t* metadata) { rd_kafka_metadata_destroy(metadata); }

using Metadata = Owned<const rd_kafka_metadata_t, destroy_metadata>;
using Topic = Owned<rd_kafka_topic_t, rd_kafka_topic_destroy>;
using Queue = Owned<rd_kafka_queue_t, rd_kafka_queue_destroy>;
using Event = Owned<rd_kafka_event_t, rd_kafka_event_destroy>;
using NewTopic = Owned<rd_kafka_NewTopic_t, rd_kafka_NewTopic_destroy>;
using AdminOptions = Owned<rd_kafka_AdminOptions_t, rd_kafka_AdminOptions_destroy>;
using ConfigResource = Owned<rd_kafka_ConfigResource_t, rd_kafka_ConfigResource_destroy>;
using Offsets = Owned<rd_kafka_topic_partition_list_t, rd_kafka_topic_partition_list_destroy>;

constexpr int kPlainReadMsMax = 5000;  // A plain read, to explain why a stable one failed.
constexpr int kAnswerMs = 1000;        // For the answer to travel, after the broker's own timeout.
constexpr int kOffsetTriesMax = 30;    // With one handle: a new one may find another way.

class KafkaClient final : public Kafka {
 public:
  KafkaClient(std::string brokers, KafkaSettings settings)
      : brokers_(std::move(brokers)), settings_(std::move(settings)) {}

  Result<std::unique_ptr<Session>> open(const SessionOptions& options) override {
    Result<KafkaConf> conf = make_conf();
    if (!conf) return conf.error();
    return KafkaSession::open(std::move(*conf), options);
  }

  Result<GroupOffset> committed(const std::string& group, bool stable, int timeout_ms) override;
  Result<TopicShape> topic_shape(const std::string& topic, int timeout_ms) override;
  Status create_topic(const std::string& topic, int32_t partitions, int32_t replicas,
                      int timeout_ms) override;
  Result<std::string> cluster_id(int timeout_ms) override;
  void close_queries() override {
    query_.reset();
    readers_ = {};
  }

 private:
  // Reads committed offsets of one group. Kept until it has an answer: far away or behind a slow
  // login, one call is too short for all the round trips that it takes, and the next goes on.
  struct OffsetReader {
    KafkaHandle handle;
    std::string group;
    int tries = 0;
  };
  Result<KafkaConf> make_conf();
  Result<rd_kafka_t*> query();
  Result<rd_kafka_t*> offset_reader(const std::string& group, bool stable);
  Result<GroupOffset> fetch(const std::string& group, bool stable, int timeout_ms);
  Error unanswered(Error error) const;
  std::string setting_of(const std::string& topic, const char* name, int timeout_ms);
  int min_in_sync(const std::string& topic, int timeout_ms);

  const std::string brokers_;
  const KafkaSettings settings_;
  KafkaLog log_;       // Outlives the handle below. Sessions are destroyed before their Kafka.
  KafkaHandle query_;  // For everything but records and offsets; made on first use.
  std::array<OffsetReader, 2> readers_;  // The second one's answers are stable.
};

Result<KafkaConf> KafkaClient::make_conf() {
  Result<KafkaConf> conf = make_kafka_conf(brokers_, settings_);
  if (conf) log_.attach((*conf).get());
  return conf;
}

Result<rd_kafka_t*> KafkaClient::query() {
  if (!query_) {
    Result<KafkaConf> conf = make_conf();
    if (!conf) return conf.error();
    Result<KafkaHandle> handle = make_kafka_handle(RD_KAFKA_PRODUCER, std::move(*conf));
    if (!handle) return handle.error();
    query_ = std::move(*handle);
  }
  return query_.get();
}

Result<rd_kafka_t*> KafkaClient::offset_reader(const std::string& group, bool stable) {
  OffsetReader& reader = readers_.at(stable ? 1 : 0);
  if (reader.handle && reader.group == group && ++reader.tries < kOffsetTriesMax) {
    return reader.handle.get();
  }
  reader = {};
  Result<KafkaConf> conf = make_conf();
  if (!conf) return conf.error();
  const Status own =
      add_settings({{"group.id", group},
                    {"enable.auto.commit", "false"},
                    {"isolation.level", stable ? "read_committed" : "read_uncommitted"}},
                   (*conf).get());
  if (!own) return own.error();
  Result<KafkaHandle> handle = make_kafka_handle(RD_KAFKA_CONSUMER, std::move(*conf));
  if (!handle) return handle.error();
  reader.handle = std::move(*handle);
  reader.group = group;
  return reader.handle.get();
}

Result<GroupOffset> KafkaClient::fetch(const std::string& group, bool stable, int timeout_ms) {
  const Result<rd_kafka_t*> handle = offset_reader(group, stable);
  if (!handle) return handle.error();
  const Offsets offsets(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(offsets.get(), kCheckpointTopic, 0);
  rd_kafka_resp_err_t code = rd_kafka_committed(*handle, offsets.get(), timeout_ms);
  const rd_kafka_topic_partition_t& offset = offsets->elems[0];
  if (!code) code = offset.err;
  // An open connection wakes up every second, and offsets are rarely asked for.
  if (!code || is_refusal(code)) readers_.at(stable ? 1 : 0) = {};
  if (code == RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND) return GroupOffset{};
  const std::string what = "read the committed offset of " + group;
  if (code == RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT) {
    return Error{ErrorCode::kUndecided,
                 "Could not " + what + ": it is unstable (a transaction is pending)."};
  }
  if (code) return Error{ErrorCode::kRetryable, query_error(what, code).message};
  if (offset.offset < 0) return GroupOffset{};
  GroupOffset found{.known = true, .number = {static_cast<uint64_t>(offset.offset)}, .digest = {}};
  if (offset.metadata) {
    found.digest.assign(static_cast<const char*>(offset.metadata), offset.metadata_size);
  }
  return found;
}

Result<GroupOffset> KafkaClient::committed(const std::string& group, bool stable, int timeout_ms) {
  Result<GroupOffset> found = fetch(group, stable, timeout_ms);
  if (found && !found->known) {
    // A missing topic has no offsets either, but needs another remedy.
    Result<TopicShape> shape = topic_shape(kCheckpointTopic, timeout_ms);
    if (!shape) return shape.error();
  }
  // librdkafka itself repeats a stable read until the time is up.
  if (!found && stable && found.error().code == ErrorCode::kRetryable &&
      fetch(group, false, std::min(timeout_ms, kPlainReadMsMax))) {
    return Error{ErrorCode::kUndecided, found.error().message +
                                            " It is unstable: it can be read when pending "
                                            "transactions are ignored."};
  }
  return found;
}

// librdkafka's error only tells that nothing came in time; its log knows why.
Error KafkaClient::unanswered(Error error) const {
  const std::string why = log_.last_failure();
  if (!why.empty()) error.message += " The last connection failed: " + why;
  return error;
}

// A setting of the topic; empty: Kafka does not tell, because the agent may not ask.
std::string KafkaClient::setting_of(const std::string& topic, const char* name, int timeout_ms) {
  const ConfigResource asked(rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic.c_str()));
  const AdminOptions options(
      rd_kafka_AdminOptions_new(query_.get(), RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS));
  char words[512] = "";
  if (rd_kafka_AdminOptions_set_request_timeout(options.get(), timeout_ms, words, sizeof words)) {
    return {};
  }
  const Queue queue(rd_kafka_queue_new(query_.get()));
  rd_kafka_ConfigResource_t* list[] = {asked.get()};
  rd_kafka_DescribeConfigs(query_.get(), list, 1, options.get(), queue.get());
  const Event event(rd_kafka_queue_poll(queue.get(), timeout_ms + kAnswerMs));
  if (!event || rd_kafka_event_error(event.get())) return {};
  size_t count = 0;
  const auto* const resources = rd_kafka_DescribeConfigs_result_resources(
      rd_kafka_event_DescribeConfigs_result(event.get()), &count);
  if (count != 1 || rd_kafka_ConfigResource_error(resources[0])) return {};
  const auto* const entries = rd_kafka_ConfigResource_configs(resources[0], &count);
  for (size_t i = 0; i < count; ++i) {
    if (std::strcmp(rd_kafka_ConfigEntry_name(entries[i]), name) != 0) continue;
    const char* const value = rd_kafka_ConfigEntry_value(entries[i]);
    return value ? value : "";
  }
  return {};
}

// How many replicas of a partition must be in sync for it to take records; 0: unknown.
int KafkaClient::min_in_sync(const std::string& topic, int timeout_ms) {
  const std::string value = setting_of(topic, "min.insync.replicas", timeout_ms);
  int least = 0;
  std::from_chars(value.data(), value.data() + value.size(), least);
  return least;
}

// A broker did answer: it cannot tell yet. kRetryable would mean that none does.
Error not_yet(Error error) {
  if (error.code == ErrorCode::kRetryable) error.code = ErrorCode::kUndecided;
  return error;
}

Result<TopicShape> KafkaClient::topic_shape(const std::string& topic, int timeout_ms) {
  Result<rd_kafka_t*> handle = query();
  if (!handle) return handle.error();
  const Topic asked(rd_kafka_topic_new(*handle, topic.c_str(), nullptr));
  if (!asked) return Error{ErrorCode::kInvalid, "\"" + topic + "\" cannot be a topic's name."};

  const std::string what = "look up topic " + topic;
  const rd_kafka_metadata_t* answer = nullptr;
  const auto code = rd_kafka_metadata(*handle, 0, asked.get(), &answer, timeout_ms);
  if (code) return unanswered(query_error(what, code));
  const Metadata metadata(answer);
  if (metadata->topic_cnt != 1) return query_error(what, RD_KAFKA_RESP_ERR__BAD_MSG);
  const rd_kafka_metadata_topic_t& found = metadata->topics[0];
  if (found.err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
      found.err == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC) {
    return Error{ErrorCode::kNotFound, "Topic " + topic + " does not exist."};
  }
  if (found.err && found.err != RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE) {
    return not_yet(query_error(what, found.err));
  }
  if (found.partition_cnt == 0) {
    return not_yet(query_error(what, RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE));
  }
  TopicShape shape{.partitions = found.partition_cnt};
  // Nothing is written to the checkpoint's topic.
  const bool compacted =
      topic != kCheckpointTopic &&
      setting_of(topic, "cleanup.policy", timeout_ms).find("compact") != std::string::npos;
  int least = -1;  // Asked only when replicas are missing.
  for (int i = 0; i < found.partition_cnt; ++i) {
    const rd_kafka_metadata_partition_t& partition = found.partitions[i];
    if (compacted) {
      shape.unusable[partition.id] =
          "the topic's cleanup.policy is compact, so Kafka would delete all lines of a log but the "
          "last; set it to delete (kafka-configs.sh --alter --topic " +
          topic + " --add-config cleanup.policy=delete)";
    } else if (partition.leader < 0) {
      shape.unusable[partition.id] = "it has no leader";
    } else if (partition.isr_cnt < partition.replica_cnt) {
      if (least < 0) least = min_in_sync(topic, timeout_ms);
      if (partition.isr_cnt >= least) continue;
      shape.unusable[partition.id] = "only " + std::to_string(partition.isr_cnt) + " of the " +
                                     std::to_string(least) +
                                     " replicas that min.insync.replicas asks for are in sync";
    }
  }
  return shape;
}

Status KafkaClient::create_topic(const std::string& topic, int32_t partitions, int32_t replicas,
                                 int timeout_ms) {
  Result<rd_kafka_t*> handle = query();
  if (!handle) return handle.error();
  const std::string what = "create topic " + topic;
  char words[512] = "";
  const NewTopic wanted(
      rd_kafka_NewTopic_new(topic.c_str(), partitions, replicas, words, sizeof words));
  if (!wanted) return Error{ErrorCode::kInvalid, "Could not " + what + ": " + words + "."};

  // Use the broker's time, because a host's clock may be wrong: records from the future would be
  // refused, and those from the past deleted by retention at once.
  if (const auto code =
          rd_kafka_NewTopic_set_config(wanted.get(), "message.timestamp.type", "LogAppendTime")) {
    return query_error(what, code);
  }
  const AdminOptions options(rd_kafka_AdminOptions_new(*handle, RD_KAFKA_ADMIN_OP_CREATETOPICS));
  for (const auto set :
       {rd_kafka_AdminOptions_set_request_timeout, rd_kafka_AdminOptions_set_operation_timeout}) {
    const auto code = set(options.get(), timeout_ms, words, sizeof words);
    if (code) return Error{ErrorCode::kInvalid, "Could not " + what + ": " + words + "."};
  }
  const Queue queue(rd_kafka_queue_new(*handle));
  rd_kafka_NewTopic_t* list[] = {wanted.get()};
  rd_kafka_CreateTopics(*handle, list, 1, options.get(), queue.get());
  const Event event(rd_kafka_queue_poll(queue.get(), timeout_ms + kAnswerMs));
  if (!event) return query_error(what, RD_KAFKA_RESP_ERR__TIMED_OUT);
  if (const auto code = rd_kafka_event_error(event.get())) return query_error(what, code);

  size_t count = 0;
  const auto* const result = rd_kafka_event_CreateTopics_result(event.get());
  const rd_kafka_topic_result_t** const topics =
      rd_kafka_CreateTopics_result_topics(result, &count);
  if (count != 1) return query_error(what, RD_KAFKA_RESP_ERR__BAD_MSG);
  const rd_kafka_resp_err_t code = rd_kafka_topic_result_error(topics[0]);
  if (!code || code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) return ok();
  Error error = query_error(what, code);
  if (const char* why = rd_kafka_topic_result_error_string(topics[0])) {
    error.message += std::string(" ") + why;
  }
  return error;
}

Result<std::string> KafkaClient::cluster_id(int timeout_ms) {
  Result<rd_kafka_t*> handle = query();
  if (!handle) return handle.error();
  char* const id = rd_kafka_clusterid(*handle, timeout_ms);
  if (!id) return unanswered(query_error("read the cluster's id", RD_KAFKA_RESP_ERR__TIMED_OUT));
  std::string copy(id);
  rd_kafka_mem_free(*handle, id);
  return copy;
}

}  // namespace

std::unique_ptr<Kafka> make_kafka_client(std::string brokers, KafkaSettings settings) {
  return std::make_unique<KafkaClient>(std::move(brokers), std::move(settings));
}

}  // namespace longshore::shipper
