#include "integrations/kafka/group_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "integrations/kafka/consumer_handle.h"
#include "shipper/kafka/error.h"

namespace longshore::kafka {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// Exactly-once reading depends on these settings too.
constexpr OwnSetting kOwn[] = {
    {"group.id", "use --group"},
    {"enable.auto.commit", "an offset is committed once its records are stored"},
    {"auto.commit.enable", "an offset is committed once its records are stored"},
    {"enable.auto.offset.store", "an offset is committed once its records are stored"},
    {"partition.assignment.strategy", "a partition must have one owner at a time"},
    {"queued.max.messages.kbytes", "it bounds memory"},
};

constexpr std::chrono::seconds kSeekPatience(15);
constexpr int kSeekMs = 1'000;      // The others wait for it.
constexpr int kAskAgainMs = 1'000;  // How long a partition without a leader may hold up the others,
constexpr std::chrono::seconds kAskAgain(10);  // each time.

struct ListDestroy {
  void operator()(rd_kafka_topic_partition_list_t* list) const {
    rd_kafka_topic_partition_list_destroy(list);
  }
};
using PartitionList = std::unique_ptr<rd_kafka_topic_partition_list_t, ListDestroy>;

PartitionList list_of(const PartitionKey& key) {
  PartitionList list(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(list.get(), key.topic.c_str(), key.partition);
  return list;
}

bool is_no_longer_ours(rd_kafka_resp_err_t code) {
  switch (code) {
    case RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION:
    case RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID:
    case RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS:
    case RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID:
    case RD_KAFKA_RESP_ERR__ASSIGNMENT_LOST:
    case RD_KAFKA_RESP_ERR__STATE:
      return true;
    default:
      return false;
  }
}

}  // namespace

Result<std::unique_ptr<GroupReader>> GroupReader::open(const GroupOptions& options,
                                                       GroupListener& listener) {
  if (Status status = check_not_own(options.settings, kOwn); !status) return status.error();
  // For this long the group keeps the partitions of a member that was killed. A batch that was
  // damaged on a broker's disk must not pass for records. A broker that has just died is asked
  // three times for the ends of a partition, a minute each by default.
  // With a heartbeat a member learns that the partitions are shared out anew, and all wait for it.
  shipper::KafkaSettings settings = {{"session.timeout.ms", "10000"},
                                     {"heartbeat.interval.ms", "1000"},
                                     {"check.crcs", "true"},
                                     {"socket.timeout.ms", "10000"}};
  settings.insert(settings.end(), options.settings.begin(), options.settings.end());
  auto conf = shipper::make_kafka_conf(options.brokers, settings);
  if (!conf) return conf.error();
  const shipper::KafkaSettings own = {
      {"group.id", options.group},
      {"isolation.level", options.read_committed ? "read_committed" : "read_uncommitted"},
      {"enable.auto.commit", "false"},
      {"enable.auto.offset.store", "false"},
      {"auto.offset.reset", "error"},
      {"partition.assignment.strategy", "roundrobin"},
      {"enable.partition.eof", "true"},
      {"queued.max.messages.kbytes", fmt::format("{}", options.queue_kbytes)},
      {"fetch.wait.max.ms", "100"},
      {"topic.metadata.refresh.interval.ms", "30000"}};
  if (Status status = shipper::add_settings(own, conf->get()); !status) return status.error();
  std::unique_ptr<GroupReader> reader(new GroupReader(options, listener));
  rd_kafka_conf_set_opaque(conf->get(), reader.get());
  rd_kafka_conf_set_rebalance_cb(conf->get(), on_rebalance);
  rd_kafka_conf_set_log_cb(conf->get(), on_log);
  Result<rd_kafka_t*> handle = make_consumer(*std::move(conf));
  if (!handle) return handle.error();
  reader->handle_ = *handle;
  rd_kafka_poll_set_consumer(reader->handle_);
  const PartitionList topics(rd_kafka_topic_partition_list_new(1));
  for (const std::string& topic : options.topics)
    rd_kafka_topic_partition_list_add(topics.get(), topic.c_str(), RD_KAFKA_PARTITION_UA);
  if (const auto code = rd_kafka_subscribe(reader->handle_, topics.get())) {
    return Error{ErrorCode::kInvalid,
                 fmt::format("--topic: {}; check the names.", rd_kafka_err2str(code))};
  }
  return reader;
}

GroupReader::~GroupReader() {
  if (!handle_) return;
  // The listener is not called: it destroyed the reader and knows that its partitions are gone.
  rd_kafka_destroy_flags(handle_, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}

void GroupReader::on_log(const rd_kafka_t* handle, int level, const char* facility,
                         const char* text) {
  // Consumers get producers' settings too, and librdkafka warns that they do not apply.
  if (!handle || std::string_view(facility) == "CONFWARN") return;
  static_cast<GroupReader*>(rd_kafka_opaque(handle))->log_.write(level, facility, text);
}

void GroupReader::on_rebalance(rd_kafka_t*, rd_kafka_resp_err_t code,
                               rd_kafka_topic_partition_list_t* list, void* opaque) {
  static_cast<GroupReader*>(opaque)->rebalance(code, list);
}

void GroupReader::rebalance(rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t* list) {
  if (code != RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
    give_up();
    rd_kafka_assign(handle_, nullptr);
    return;
  }
  if (failed_) failed_ = take_on(list);
  // The group waits for an answer in any case; poll() then returns the error.
  if (!failed_) rd_kafka_assign(handle_, nullptr);
}

void GroupReader::give_up() {
  const bool lost = rd_kafka_assignment_lost(handle_) == 1;
  if (joined_ && lost) listener_->lost();
  if (joined_ && !lost) listener_->revoked();
  for (Held& held : held_) held.rewound = false;
  // A pause would outlive the assignment.
  static_cast<void>(pause_where([](const PartitionKey&) { return false; }));
  held_.clear();
  left_out_.clear();
  joined_ = false;
}

Status GroupReader::take_on(rd_kafka_topic_partition_list_t* list) {
  std::vector<AssignedPartition> partitions;
  if (list->cnt > 0) {
    const auto code = rd_kafka_committed(handle_, list, options_.timeout_ms);
    if (code) return shipper::query_error("read the group's committed offsets", code);
  }
  const std::unique_ptr<char, void (*)(char*)> cluster(
      rd_kafka_clusterid(handle_, options_.timeout_ms),
      [](char* id) { rd_kafka_mem_free(nullptr, id); });
  if (!cluster) return Error{ErrorCode::kRetryable, "Kafka did not tell the id of its cluster."};
  std::vector<std::pair<PartitionKey, Error>> others;
  for (int i = 0; i < list->cnt; ++i) {
    const int timeout_ms = others.empty() ? options_.timeout_ms : kAskAgainMs;
    Result<AssignedPartition> partition = look_at(list->elems[i], timeout_ms);
    if (!partition) {
      others.emplace_back(PartitionKey{list->elems[i].topic, list->elems[i].partition},
                          partition.error());
      continue;
    }
    partition->cluster = cluster.get();
    partitions.push_back(*std::move(partition));
  }
  if (partitions.empty() && !others.empty()) return others.front().second;
  if (Status status = listener_->assigned(partitions); !status) return status;
  const PartitionList ours(rd_kafka_topic_partition_list_new(list->cnt));
  for (const AssignedPartition& partition : partitions) {
    const auto& [topic, number] = partition.key;
    rd_kafka_topic_partition_list_add(ours.get(), topic.c_str(), number)->offset = partition.start;
    held_.push_back({partition.key, partition.start});
  }
  for (const auto& [partition, error] : others) {
    left_out_.push_back(partition);
    listener_->left_out(partition, error.message);
  }
  ask_again_ = steady_clock::now() + kAskAgain;
  joined_ = true;
  last_ = 0;
  if (const auto code = rd_kafka_assign(handle_, ours.get()))
    return shipper::query_error("take on the partitions", code);
  return ok();
}

bool GroupReader::can_read_left_out() {
  if (left_out_.empty() || steady_clock::now() < ask_again_) return false;
  int64_t low = 0, high = 0;
  const auto code = ask_ends(handle_, left_out_.front(), kAskAgainMs, low, high);
  ask_again_ = steady_clock::now() + kAskAgain;
  // Each in turn: the first one may be gone for good.
  if (code) std::rotate(left_out_.begin(), left_out_.begin() + 1, left_out_.end());
  return !code;
}

Result<AssignedPartition> GroupReader::look_at(const rd_kafka_topic_partition_t& element,
                                               int timeout_ms) const {
  AssignedPartition partition;
  partition.key = {element.topic, element.partition};
  if (element.err) return shipper::query_error("read a committed offset", element.err);
  const auto code = ask_ends(handle_, partition.key, timeout_ms, partition.low, partition.high);
  if (code) {
    return shipper::query_error(
        fmt::format("get the first and last offset of {}", to_string(partition.key)), code);
  }
  partition.committed = element.offset >= 0 ? element.offset : -1;
  if (element.metadata_size > 0)
    partition.note.assign(static_cast<const char*>(element.metadata), element.metadata_size);
  partition.start = partition.committed >= 0 ? partition.committed : partition.low;
  return partition;
}

GroupReader::Held* GroupReader::find(const rd_kafka_message_t& message) {
  if (!message.rkt) return nullptr;
  const std::string_view topic = rd_kafka_topic_name(message.rkt);
  const auto is = [&](const Held& held) {
    return held.key.partition == message.partition && held.key.topic == topic;
  };
  if (last_ < held_.size() && is(held_[last_])) return &held_[last_];
  const auto at = std::find_if(held_.begin(), held_.end(), is);
  if (at == held_.end()) return nullptr;
  last_ = static_cast<size_t>(at - held_.begin());
  return &*at;
}

Status GroupReader::poll(int timeout_ms, size_t records_max) {
  if (can_read_left_out()) {
    return Error{ErrorCode::kRetryable,
                 fmt::format("{} was left out, and can be read now", to_string(left_out_.front()))};
  }
  bool any = false;
  for (size_t i = 0; i < records_max; ++i) {
    rd_kafka_message_t* message = rd_kafka_consumer_poll(handle_, any ? 0 : timeout_ms);
    if (!failed_) {
      if (message) rd_kafka_message_destroy(message);
      return failed_;
    }
    if (!message) {
      if (any) nudge();
      break;
    }
    any = true;
    Status status = take(*message);
    rd_kafka_message_destroy(message);
    if (!status || listener_->enough()) return status;
  }
  return ok();
}

void GroupReader::nudge() {
  for (size_t i = 0; i < held_.size(); ++i) {
    nudged_ = (nudged_ + 1) % held_.size();
    if (held_[nudged_].at_end) continue;
    return wake_broker_thread(handle_, held_[nudged_].key);
  }
}

Status GroupReader::take(const rd_kafka_message_t& message) {
  if (message.err && message.err != RD_KAFKA_RESP_ERR__PARTITION_EOF) return take_error(message);
  Held* held = find(message);
  if (!held || held->rewound) return ok();  // Revoked, or rewound, after it was fetched.
  if (message.err) {
    held->next = std::max(held->next, message.offset);
    held->at_end = true;
    return ok();
  }
  // librdkafka may fetch again from an earlier offset; hand nothing over twice.
  if (message.offset < held->next) return ok();
  held->next = message.offset + 1;
  held->at_end = false;
  listener_->record(record_of(message, held->key.topic));
  return ok();
}

Status GroupReader::take_error(const rd_kafka_message_t& message) {
  if (recovers_by_itself(message.err)) return ok();
  Held* const held = find(message);
  if (held && held->rewound) {
    held->has_stopped = held->has_stopped || message.err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET;
    return ok();
  }
  const std::string words = rd_kafka_message_errstr(&message);
  switch (message.err) {
    case RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED:
      return ok();  // A member that polled too late rejoins.
    // It waits for a topic or a right.
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
      log_.write(4, "WAIT", words.c_str());
      return ok();
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
      return Error{
          ErrorCode::kCorrupt,
          fmt::format("records were lost: Kafka deleted them before they were read: {}.", words)};
    case RD_KAFKA_RESP_ERR__FATAL:
    case RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID:
      return Error{ErrorCode::kFatal,
                   fmt::format("another member took over this group.instance.id: {}.", words)};
    default:
      if (!held) {
        return Error{ErrorCode::kRetryable, fmt::format("could not read from Kafka: {}.", words)};
      }
      rewind(held->key, held->next);
      listener_->unreadable(held->key, held->next, words);
      return ok();
  }
}

Status GroupReader::commit(const PartitionKey& key, int64_t next, const std::string& note,
                           int timeout_ms) {
  const PartitionList list = list_of(key);
  rd_kafka_topic_partition_t& element = list->elems[0];
  element.offset = next;
  if (!note.empty()) {
    element.metadata = std::malloc(note.size());  // The list frees it.
    if (!element.metadata) return Error{ErrorCode::kRetryable, "Out of memory."};
    std::memcpy(element.metadata, note.data(), note.size());
    element.metadata_size = note.size();
  }
  // rd_kafka_commit() has no timeout. An answer that comes too late is dropped with its queue.
  const std::unique_ptr<rd_kafka_queue_t, void (*)(rd_kafka_queue_t*)> queue(
      rd_kafka_queue_new(handle_), rd_kafka_queue_destroy);
  auto code = rd_kafka_commit_queue(handle_, list.get(), queue.get(), nullptr, nullptr);
  if (!code) {
    code = RD_KAFKA_RESP_ERR__TIMED_OUT;
    const std::unique_ptr<rd_kafka_event_t, void (*)(rd_kafka_event_t*)> answer(
        rd_kafka_queue_poll(queue.get(), timeout_ms), rd_kafka_event_destroy);
    if (answer) {
      code = rd_kafka_event_error(answer.get());
      const auto* done = rd_kafka_event_topic_partition_list(answer.get());
      if (!code && done && done->cnt == 1) code = done->elems[0].err;
    }
  }
  if (!code) return ok();
  const std::string what = fmt::format("commit offset {} of {}", next, to_string(key));
  if (is_no_longer_ours(code)) {
    return Error{ErrorCode::kNotFound,
                 fmt::format("could not {}: {}", what, rd_kafka_err2name(code))};
  }
  return shipper::query_error(what, code);
}

Status GroupReader::pause_where(const std::function<bool(const PartitionKey&)>& held_back) {
  Status status = ok();
  for (Held& held : held_) {
    const bool pause = held_back(held.key);
    // Resuming a partition that is not paused makes librdkafka start again at its first offset.
    if (pause != held.paused) {
      const PartitionList list = list_of(held.key);
      auto code = pause ? rd_kafka_pause_partitions(handle_, list.get())
                        : rd_kafka_resume_partitions(handle_, list.get());
      if (!code) code = list->elems[0].err;
      if (!code) held.paused = pause;
      if (code && status)
        status = shipper::query_error(pause ? "pause a partition" : "resume a partition", code);
    }
    if (pause || held.paused || !held.rewound) continue;
    if (Status sought = seek(held); !sought && status) status = sought;
  }
  return status;
}

void GroupReader::rewind(const PartitionKey& partition, int64_t offset) {
  for (Held& held : held_) {
    if (held.key != partition) continue;
    held.next = offset;
    held.at_end = false;
    held.rewound = true;
    held.sought = {};
  }
}

Status GroupReader::seek(Held& held) {
  const PartitionList list = list_of(held.key);
  list->elems[0].offset = held.next;
  rd_kafka_error_t* const refused = rd_kafka_seek_partitions(handle_, list.get(), kSeekMs);
  auto code = refused ? rd_kafka_error_code(refused) : list->elems[0].err;
  if (refused) rd_kafka_error_destroy(refused);
  if (code == RD_KAFKA_RESP_ERR__STATE && held.has_stopped) return start_again();
  if (code) {
    // librdkafka cannot seek while it looks for the leader or an offset itself. The others go on.
    const auto now = steady_clock::now();
    if (held.sought == steady_clock::time_point()) held.sought = now;
    if (now - held.sought < kSeekPatience) return ok();
    return shipper::query_error("go back in " + to_string(held.key), code);
  }
  held.rewound = false;
  return ok();
}

// librdkafka reads a partition no more after it has reported an offset out of range, and cannot
// seek in it. Only a new assignment starts it, which has to name all.
Status GroupReader::start_again() {
  const PartitionList ours(rd_kafka_topic_partition_list_new(static_cast<int>(held_.size())));
  for (Held& held : held_) {
    const auto& [topic, number] = held.key;
    rd_kafka_topic_partition_list_add(ours.get(), topic.c_str(), number)->offset = held.next;
    held.rewound = held.at_end = held.has_stopped = false;
  }
  // A pause would outlive the assignment.
  if (Status resumed = pause_where([](const PartitionKey&) { return false; }); !resumed)
    return resumed;
  if (const auto code = rd_kafka_assign(handle_, ours.get()))
    return shipper::query_error("start the partitions again", code);
  return ok();
}

std::vector<GroupPosition> GroupReader::positions() const {
  std::vector<GroupPosition> all;
  for (const Held& held : held_) {
    GroupPosition position{held.key, held.next, held.next, held.at_end};
    int64_t low = 0, high = 0;
    if (!rd_kafka_get_watermark_offsets(handle_, held.key.topic.c_str(), held.key.partition, &low,
                                        &high))
      position.high = std::max(held.next, high);
    all.push_back(std::move(position));
  }
  return all;
}

bool GroupReader::at_end() const {
  return !held_.empty() &&
         std::all_of(held_.begin(), held_.end(), [](const Held& held) { return held.at_end; });
}

void GroupReader::close(int timeout_ms) {
  const auto deadline = steady_clock::now() + milliseconds(timeout_ms);
  const std::unique_ptr<rd_kafka_queue_t, void (*)(rd_kafka_queue_t*)> queue(
      rd_kafka_queue_new(handle_), rd_kafka_queue_destroy);
  rd_kafka_error_t* refused = rd_kafka_consumer_close_queue(handle_, queue.get());
  if (refused) {
    rd_kafka_error_destroy(refused);
    return;
  }
  constexpr int kPauseMs = 20;
  // Records may still be queued, and rd_kafka_queue_poll_callback() aborts the process when it
  // meets one. This call returns them, and serves the callbacks too.
  while (!rd_kafka_consumer_closed(handle_) && steady_clock::now() < deadline) {
    if (rd_kafka_message_t* message = rd_kafka_consume_queue(queue.get(), kPauseMs))
      rd_kafka_message_destroy(message);
  }
}

}  // namespace longshore::kafka
