#include "integrations/kafka/reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <string_view>
#include <thread>

#include "integrations/kafka/consumer_handle.h"

namespace longshore::kafka {

namespace {

using std::chrono::steady_clock;

constexpr size_t kBatchRecords = 10'000;
constexpr auto kSettlePause = std::chrono::milliseconds(20);

Result<rd_kafka_t*> make_handle(const ReaderOptions& options, bool read_committed) {
  return make_quiet_consumer(
      options.brokers, options.settings,
      {{"isolation.level", read_committed ? "read_committed" : "read_uncommitted"},
       {"queued.max.messages.kbytes", "4096"},
       {"queued.min.messages", "20000"}});
}

Error no_answer(const ReaderOptions& options, rd_kafka_resp_err_t code) {
  return {ErrorCode::kRetryable,
          fmt::format("No usable answer from Kafka at {} ({}): check --brokers and, for TLS or "
                      "SASL, --kafka.",
                      options.brokers, rd_kafka_err2str(code))};
}

}  // namespace

std::string to_string(const PartitionKey& key) {
  return fmt::format("{}[{}]", key.topic, key.partition);
}

Reader::Reader(const ReaderOptions& options, rd_kafka_t* handle)
    : options_(options), handle_(handle), batch_(kBatchRecords) {}

Reader::~Reader() {
  for (Partition& partition : partitions_) close(partition);
  for (rd_kafka_topic_t* topic : topics_) rd_kafka_topic_destroy(topic);
  if (queue_) rd_kafka_queue_destroy(queue_);
  rd_kafka_destroy_flags(handle_, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}

Result<std::unique_ptr<Reader>> Reader::open(const ReaderOptions& options) {
  Result<rd_kafka_t*> handle = make_handle(options, options.read_committed);
  if (!handle) return handle.error();
  std::unique_ptr<Reader> reader(new Reader(options, *handle));
  if (Status status = reader->find_partitions(); !status) return status.error();
  if (Status status = reader->find_ends(); !status) return status.error();
  if (Status status = reader->start(); !status) return status.error();
  return reader;
}

Status Reader::find_partitions() {
  for (const std::string& name : options_.topics) {
    rd_kafka_topic_t* topic = rd_kafka_topic_new(handle_, name.c_str(), nullptr);
    if (!topic) {
      return Error{ErrorCode::kInvalid,
                   fmt::format("--topic {}: {}.", name, rd_kafka_err2str(rd_kafka_last_error()))};
    }
    topics_.push_back(topic);
    if (Status status = add_partitions(topic, options_.timeout_ms); !status) return status;
  }
  looked_at_ = steady_clock::now();
  return ok();
}

// Adds the partitions of `topic` that are not known yet.
Status Reader::add_partitions(rd_kafka_topic_t* topic, int timeout_ms) {
  const std::string name = rd_kafka_topic_name(topic);
  const rd_kafka_metadata_t* found = nullptr;
  const auto code = rd_kafka_metadata(handle_, 0, topic, &found, timeout_ms);
  if (code) return no_answer(options_, code);
  const std::unique_ptr<const rd_kafka_metadata_t, void (*)(const rd_kafka_metadata_t*)> holder(
      found, rd_kafka_metadata_destroy);
  const rd_kafka_metadata_topic_t* shape = found->topic_cnt > 0 ? &found->topics[0] : nullptr;
  if (!shape || shape->err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
      (!shape->err && shape->partition_cnt == 0))
    return no_topic(name);
  if (shape->err) {
    return Error{ErrorCode::kInvalid,
                 fmt::format("--topic {}: {}.", name, rd_kafka_err2str(shape->err))};
  }
  for (int i = 0; i < shape->partition_cnt; ++i) {
    const PartitionKey key = {name, shape->partitions[i].id};
    const auto is = [&key](const Partition& partition) { return partition.key == key; };
    if (std::ranges::any_of(partitions_, is)) continue;
    Partition& partition = partitions_.emplace_back();
    partition.topic = topic;
    partition.key = key;
  }
  return ok();
}

// Names the topics that there are: the wanted one may be among them, spelt otherwise.
Error Reader::no_topic(const std::string& name) {
  constexpr size_t kShownMax = 20;
  std::vector<std::string> names;
  const rd_kafka_metadata_t* found = nullptr;
  if (!rd_kafka_metadata(handle_, 1, nullptr, &found, options_.timeout_ms)) {
    for (int i = 0; i < found->topic_cnt; ++i) {
      const std::string_view topic = found->topics[i].topic;
      if (!topic.starts_with("__")) names.emplace_back(topic);
    }
    rd_kafka_metadata_destroy(found);
  }
  std::ranges::sort(names);
  const size_t more = names.size() - std::min(names.size(), kShownMax);
  names.resize(names.size() - more);
  return {ErrorCode::kNotFound,
          fmt::format("Kafka at {} has no topic {}: check --topic; {}.", options_.brokers, name,
                      names.empty() ? "it shows us none"
                                    : fmt::format("it has {}{}", fmt::join(names, ", "),
                                                  more ? fmt::format(" and {} more", more) : ""))};
}

// What cannot be looked up now is looked up next time.
void Reader::find_added() {
  constexpr auto kPeriod = std::chrono::seconds(3);
  constexpr int kLookMs = 1'000;
  if (steady_clock::now() - looked_at_ < kPeriod) return;
  looked_at_ = steady_clock::now();
  const size_t known = partitions_.size();
  for (rd_kafka_topic_t* topic : topics_) static_cast<void>(add_partitions(topic, kLookMs));
  for (size_t i = known; i < partitions_.size(); ++i) {
    if (start(partitions_[i])) continue;
    partitions_.erase(partitions_.begin() + static_cast<ptrdiff_t>(i), partitions_.end());
  }
}

Status Reader::find_ends() {
  // A read_committed handle answers with the last stable offset; the true end needs another handle.
  rd_kafka_t* beyond = nullptr;
  if (options_.read_committed) {
    Result<rd_kafka_t*> handle = make_handle(options_, false);
    if (!handle) return handle.error();
    beyond = *handle;
  }
  const std::unique_ptr<rd_kafka_t, void (*)(rd_kafka_t*)> holder(beyond, [](rd_kafka_t* handle) {
    if (handle) rd_kafka_destroy(handle);
  });
  for (Partition& partition : partitions_) {
    auto code =
        ask_ends(handle_, partition.key, options_.timeout_ms, partition.begin, partition.end);
    if (code) return no_answer(options_, code);
    partition.low = partition.begin;
    partition.high = partition.end;
    if (!options_.from_beginning) partition.begin = partition.end;
    partition.next = partition.begin;
    if (!beyond || options_.follow) continue;
    int64_t low = 0;
    code = ask_ends(beyond, partition.key, options_.timeout_ms, low, partition.high);
    if (code) return no_answer(options_, code);
  }
  if (Status status = find_since(); !status) return status;
  return settle();
}

// Moves the beginnings to the first records of `since_ms` or later.
Status Reader::find_since() {
  if (!options_.since_ms || !options_.from_beginning) return ok();
  const std::unique_ptr<rd_kafka_topic_partition_list_t, void (*)(rd_kafka_topic_partition_list_t*)>
      list(rd_kafka_topic_partition_list_new(static_cast<int>(partitions_.size())),
           rd_kafka_topic_partition_list_destroy);
  for (const Partition& partition : partitions_) {
    rd_kafka_topic_partition_list_add(list.get(), partition.key.topic.c_str(),
                                      partition.key.partition)
        ->offset = *options_.since_ms;
  }
  auto code = rd_kafka_offsets_for_times(handle_, list.get(), options_.timeout_ms);
  for (size_t i = 0; !code && i < partitions_.size(); ++i) {
    const rd_kafka_topic_partition_t& found = list->elems[i];
    Partition& partition = partitions_[i];
    code = found.err;
    // None is as young as that: nothing is read.
    const int64_t first = found.offset >= 0 ? found.offset : partition.end;
    partition.begin = partition.next = std::clamp(first, partition.low, partition.end);
    partition.low = partition.begin;
  }
  return code ? Status(no_answer(options_, code)) : ok();
}

// A transaction that was committed before open() may not be visible in all of its partitions yet,
// because the broker marks them one by one. So wait until everything written by now is decided.
Status Reader::settle() {
  const auto deadline = steady_clock::now() + std::chrono::milliseconds(options_.settle_ms);
  for (Partition& partition : partitions_) {
    while (partition.high > partition.end && steady_clock::now() < deadline) {
      std::this_thread::sleep_for(kSettlePause);
      int64_t low = 0;
      const auto code = ask_ends(handle_, partition.key, options_.timeout_ms, low, partition.end);
      if (code) return no_answer(options_, code);
    }
  }
  return ok();
}

std::vector<PartitionEnds> Reader::partitions() const {
  std::vector<PartitionEnds> all;
  for (const Partition& partition : partitions_) {
    all.push_back({partition.key.topic, partition.key.partition, partition.low,
                   std::max<int64_t>(partition.high - partition.end, 0)});
  }
  return all;
}

Status Reader::start() {
  queue_ = rd_kafka_queue_new(handle_);
  for (Partition& partition : partitions_) {
    if (!options_.follow && partition.begin >= partition.end) continue;
    if (Status status = start(partition); !status) return status;
  }
  return ok();
}

Status Reader::start(Partition& partition) {
  if (rd_kafka_consume_start_queue(partition.topic, partition.key.partition, partition.begin,
                                   queue_)) {
    return Error{ErrorCode::kRetryable,
                 fmt::format("Could not read {}: {}.", to_string(partition.key),
                             rd_kafka_err2str(rd_kafka_last_error()))};
  }
  partition.open = true;
  open_partitions_ += 1;
  return ok();
}

void Reader::close(Partition& partition) {
  if (!partition.open) return;
  rd_kafka_consume_stop(partition.topic, partition.key.partition);
  partition.open = false;
  open_partitions_ -= 1;
}

Reader::Partition* Reader::find(const rd_kafka_message_t& message) {
  const auto is = [&message](const Partition& partition) {
    return partition.topic == message.rkt && partition.key.partition == message.partition;
  };
  if (is(partitions_[last_])) return &partitions_[last_];
  const auto at = std::find_if(partitions_.begin(), partitions_.end(), is);
  if (at == partitions_.end()) return nullptr;
  last_ = static_cast<size_t>(at - partitions_.begin());
  return &*at;
}

Status Reader::poll(int timeout_ms, const std::function<void(const ReadRecord&)>& each) {
  const ssize_t count =
      rd_kafka_consume_batch_queue(queue_, timeout_ms, batch_.data(), batch_.size());
  Status status = ok();
  for (ssize_t i = 0; i < count; ++i) {
    rd_kafka_message_t* message = batch_[static_cast<size_t>(i)];
    if (status) status = take(*message, each);
    rd_kafka_message_destroy(message);
  }
  if (!status) return status;
  if (options_.follow) find_added();
  if (count < static_cast<ssize_t>(batch_.size())) nudge();
  // Close partitions only now that no message of the batch is held: closing waits for them.
  for (Partition& partition : partitions_) {
    if (!options_.follow && partition.next >= partition.end) close(partition);
  }
  return ok();
}

void Reader::nudge() {
  for (size_t i = 0; i < partitions_.size(); ++i) {
    nudged_ = (nudged_ + 1) % partitions_.size();
    const Partition& partition = partitions_[nudged_];
    if (!partition.open || partition.next >= partition.end) continue;
    return wake_broker_thread(handle_, partition.key);
  }
}

Status Reader::take(const rd_kafka_message_t& message,
                    const std::function<void(const ReadRecord&)>& each) {
  Partition* partition = message.rkt ? find(message) : nullptr;
  if (message.err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
    if (partition) partition->next = std::max(partition->next, message.offset);
    return ok();
  }
  if (message.err) {
    if (recovers_by_itself(message.err)) return ok();
    return Error{partition ? ErrorCode::kNotFound : ErrorCode::kRetryable,
                 fmt::format("Reading {} stopped: {}.",
                             partition ? fmt::format("{} at offset {}", to_string(partition->key),
                                                     partition->next)
                                       : options_.brokers,
                             rd_kafka_err2str(message.err))};
  }
  if (!partition) return ok();
  partition->next = message.offset + 1;
  if (!options_.follow && message.offset >= partition->end) return ok();
  each(record_of(message, partition->key.topic));
  return ok();
}

uint64_t Reader::offsets_passed() const {
  uint64_t passed = 0;
  for (const Partition& partition : partitions_)
    passed += static_cast<uint64_t>(std::min(partition.next, partition.end) - partition.begin);
  return passed;
}

uint64_t Reader::offsets_total() const {
  uint64_t total = 0;
  for (const Partition& partition : partitions_)
    total += static_cast<uint64_t>(partition.end - partition.begin);
  return total;
}

}  // namespace longshore::kafka
