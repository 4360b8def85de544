#include "shipper/kafka/session.h"

#include <sys/eventfd.h>

#include <atomic>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <future>
#include <iterator>

namespace longshore::shipper {

namespace {

// The queue wakes its reader; this only bounds the wait if a wake-up is lost.
constexpr int kServeMs = 50;

// When a record fails, records of other partitions are purged with it. Their reports may come first
// but say nothing about their own topics, so serve() waits for the report of the cause and puts it
// first.
constexpr int kCauseTries = 10;
constexpr int kCauseWaitMs = 50;

bool is_victim(rd_kafka_resp_err_t code) {
  return code == RD_KAFKA_RESP_ERR__PURGE_QUEUE || code == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT;
}

Error destroy_it(const std::string& message) { return {ErrorCode::kSessionGone, message}; }

}  // namespace

Result<KafkaHandle> make_kafka_handle(rd_kafka_type_t type, KafkaConf conf) {
  char words[512];
  KafkaHandle handle(rd_kafka_new(type, conf.get(), words, sizeof words));
  if (!handle) {
    return Error{ErrorCode::kRetryable, std::string("Could not set up a Kafka client: ") + words};
  }
  static_cast<void>(conf.release());  // The handle owns it now.
  return handle;
}

Result<std::unique_ptr<Session>> KafkaSession::open(KafkaConf conf, const SessionOptions& options) {
  const std::string& id =
      options.transactional_id.empty() ? options.group : options.transactional_id;
  KafkaSettings own = promised_settings(options.transactional ? id : "");
  own.emplace_back("batch.size", std::to_string(options.batch_bytes));
  if (Status status = add_settings(own, conf.get()); !status) return status.error();
  rd_kafka_conf_set_events(conf.get(), RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR);

  Fd wake(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!wake) {
    return Error{ErrorCode::kRetryable,
                 std::string("Could not make an eventfd: ") + std::strerror(errno) + "."};
  }
  Result<KafkaHandle> handle = make_kafka_handle(RD_KAFKA_PRODUCER, std::move(conf));
  if (!handle) return handle.error();
  return std::unique_ptr<Session>(
      new KafkaSession(std::move(*handle), std::move(wake), options.group));
}

KafkaSession::KafkaSession(KafkaHandle handle, Fd wake, const std::string& group)
    : wake_(std::move(wake)),
      handle_(std::move(handle)),
      queue_(rd_kafka_queue_get_main(handle_.get())),
      group_(rd_kafka_consumer_group_metadata_new(group.c_str())) {
  const uint64_t one = 1;
  rd_kafka_queue_io_event_enable(queue_.get(), wake_.get(), &one, sizeof one);
}

KafkaSession::~KafkaSession() {
  // Otherwise destroying a transactional producer waits for everything in flight.
  rd_kafka_purge(handle_.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT |
                                    RD_KAFKA_PURGE_F_NON_BLOCKING);
  rd_kafka_queue_io_event_enable(queue_.get(), -1, nullptr, 0);
}

Status KafkaSession::ended(const std::string& what, KafkaError error) {
  if (!error) {
    trouble_ = Trouble::kNone;
    return ok();
  }
  // If a delivery failed before, this call fails because of it, and only the delivery tells the
  // cause.
  const Trouble own = trouble_of(rd_kafka_error_code(error.get()));
  trouble_ = delivery_trouble_ != Trouble::kNone ? delivery_trouble_
             : own == Trouble::kPartition        ? Trouble::kBroker
                                                 : own;
  return call_error(what, *error);
}

Status KafkaSession::init_transactions(int timeout_ms) {
  KafkaError error(rd_kafka_init_transactions(handle_.get(), timeout_ms));
  const bool busy =
      error && rd_kafka_error_code(error.get()) == RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS;
  Status status = ended("take over the transactional id", std::move(error));
  if (status) return status;
  // No transaction is open, so smaller ones would not help.
  trouble_ = Trouble::kBroker;
  if (busy) return Error{ErrorCode::kUndecided, status.error().message};
  return status;
}

Status KafkaSession::begin() {
  delivery_trouble_ = Trouble::kNone;
  Status begun =
      ended("begin a transaction", KafkaError(rd_kafka_begin_transaction(handle_.get())));
  in_transaction_ = begun.has_value();
  return begun;
}

Trouble KafkaSession::cause_of(rd_kafka_resp_err_t code) {
  const bool consequence = code == RD_KAFKA_RESP_ERR__PURGE_QUEUE ||
                           code == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT ||
                           code == RD_KAFKA_RESP_ERR__STATE;
  if (!consequence || !in_transaction_ || committing_) return trouble_of(code);
  // Always refused inside a transaction; if that has failed, with the error that made it fail.
  const KafkaError error(rd_kafka_begin_transaction(handle_.get()));
  const bool forbidden = error && rd_kafka_error_txn_requires_abort(error.get()) &&
                         trouble_of(rd_kafka_error_code(error.get())) == Trouble::kPartition;
  return forbidden ? Trouble::kSomeTopic : trouble_of(code);
}

rd_kafka_topic_t* KafkaSession::topic(const std::string& name) {
  auto& topic = topics_[name];
  if (!topic) topic.reset(rd_kafka_topic_new(handle_.get(), name.c_str(), nullptr));
  return topic.get();
}

Result<size_t> KafkaSession::produce(Chunk* chunk, size_t first, const TopicPartition& to) {
  assert(first <= chunk->messages.size());
  rd_kafka_topic_t* const into = topic(to.topic);
  if (!into) {
    trouble_ = Trouble::kPartition;
    return destroy_it("\"" + to.topic + "\" cannot be a topic's name.");
  }
  rd_kafka_message_t* const messages = chunk->messages.data() + first;
  const size_t count = chunk->messages.size() - first;
  const int taken =
      rd_kafka_produce_batch(into, to.partition, 0, messages, static_cast<int>(count));
  const auto accepted = static_cast<size_t>(taken);
  chunk->unreported += accepted;
  if (accepted == count) return count;

  // The accepted messages must be a prefix, or a line would overtake the one before it.
  bool prefix = messages[accepted].err == RD_KAFKA_RESP_ERR__QUEUE_FULL;
  for (size_t i = 0; prefix && i < accepted; ++i) prefix = !messages[i].err;
  if (prefix) return accepted;
  return refused(messages, count, accepted, to);
}

Error KafkaSession::refused(const rd_kafka_message_t* messages, size_t count, size_t taken,
                            const TopicPartition& to) {
  size_t i = 0;
  while (i < count && (!messages[i].err || messages[i].err == RD_KAFKA_RESP_ERR__QUEUE_FULL)) ++i;
  const rd_kafka_resp_err_t code = i < count ? messages[i].err : RD_KAFKA_RESP_ERR__QUEUE_FULL;
  trouble_ = cause_of(code);
  return destroy_it("Could not hand records to " + to.topic + "[" + std::to_string(to.partition) +
                    "]: " + rd_kafka_err2str(code) + " (" + rd_kafka_err2name(code) + "), " +
                    std::to_string(taken) + " of " + std::to_string(count) + " were accepted.");
}

void KafkaSession::take(rd_kafka_event_t* event, std::vector<Report>& out) {
  if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_DR) {
    rd_kafka_resp_err_t last = RD_KAFKA_RESP_ERR_NO_ERROR;
    Report* report = nullptr;
    while (const rd_kafka_message_t* message = rd_kafka_event_message_next(event)) {
      auto* const chunk = static_cast<Chunk*>(message->_private);
      if (!report || report->chunk != chunk || last != message->err) {
        last = message->err;
        report = is_victim(last) ? &victims_.emplace_back() : &out.emplace_back();
        report->chunk = chunk;
        report->trouble = trouble_of(last);
        if (last) report->message = rd_kafka_err2str(last);
        if (delivery_trouble_ == Trouble::kNone && !is_victim(last)) {
          delivery_trouble_ = report->trouble;
        }
      }
      assert(chunk->unreported > 0);
      --chunk->unreported;
      ++report->records;
      report->value_bytes += message->len;
    }
  }
  rd_kafka_event_destroy(event);
}

void KafkaSession::serve(int timeout_ms, std::vector<Report>& out) {
  // First the descriptor, then the queue: an event in between only causes one extra wake-up.
  uint64_t wakes = 0;
  while (::read(wake_.get(), &wakes, sizeof wakes) < 0 && errno == EINTR) {
  }
  rd_kafka_event_t* event = rd_kafka_queue_poll(queue_.get(), timeout_ms);
  for (; event; event = rd_kafka_queue_poll(queue_.get(), 0)) take(event, out);
  if (victims_.empty()) return;
  for (int i = 0; i < kCauseTries && delivery_trouble_ == Trouble::kNone; ++i) {
    if (rd_kafka_event_t* late = rd_kafka_queue_poll(queue_.get(), kCauseWaitMs)) take(late, out);
  }
  if (delivery_trouble_ == Trouble::kNone) {
    // The transaction failed, not a record.
    delivery_trouble_ = cause_of(RD_KAFKA_RESP_ERR__PURGE_QUEUE);
    for (Report& victim : victims_) victim.trouble = delivery_trouble_;
  }
  out.insert(out.end(), std::make_move_iterator(victims_.begin()),
             std::make_move_iterator(victims_.end()));
  victims_.clear();
}

Status KafkaSession::reports(int timeout_ms, std::vector<Report>& out) {
  serve(timeout_ms, out);
  char words[512] = "";
  if (const auto code = rd_kafka_fatal_error(handle_.get(), words, sizeof words)) {
    trouble_ = delivery_trouble_ != Trouble::kNone ? delivery_trouble_ : trouble_of(code);
    return destroy_it(std::string("The producer failed: ") + words + " (" +
                      rd_kafka_err2name(code) + ").");
  }
  return ok();
}

Status KafkaSession::send_offset(TransactionNumber number, const std::string& digest,
                                 int timeout_ms) {
  rd_kafka_topic_partition_list_t* const offsets = rd_kafka_topic_partition_list_new(1);
  auto* const offset = rd_kafka_topic_partition_list_add(offsets, kCheckpointTopic, 0);
  offset->offset = static_cast<int64_t>(number.value);
  offset->metadata = ::strdup(digest.c_str());  // Freed with the list.
  offset->metadata_size = digest.size();
  KafkaError error(
      rd_kafka_send_offsets_to_transaction(handle_.get(), offsets, group_.get(), timeout_ms));
  rd_kafka_topic_partition_list_destroy(offsets);
  return ended("put the offset into the transaction", std::move(error));
}

void KafkaSession::run_serving(const std::function<void()>& call, std::vector<Report>& out) {
  std::atomic<bool> done = false;
  const std::future<void> running = std::async(std::launch::async, [&] {
    call();
    done = true;
    rd_kafka_queue_yield(queue_.get());
  });
  while (!done) serve(kServeMs, out);
  running.wait();
  // The yield may cut the first call short, and events left in the queue wake nobody.
  serve(0, out);
  serve(0, out);
}

Status KafkaSession::commit(int timeout_ms, std::vector<Report>& out) {
  KafkaError error;
  committing_ = true;
  run_serving([&] { error.reset(rd_kafka_commit_transaction(handle_.get(), timeout_ms)); }, out);
  committing_ = false;
  in_transaction_ = in_transaction_ && error != nullptr;
  return ended("commit the transaction", std::move(error));
}

Status KafkaSession::flush(int timeout_ms, std::vector<Report>& out) {
  rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
  run_serving([&] { code = rd_kafka_flush(handle_.get(), timeout_ms); }, out);
  if (!code) return reports(0, out);
  trouble_ = trouble_of(code);
  return Error{ErrorCode::kRetryable,
               std::string("Could not send all records in time: ") + rd_kafka_err2str(code) + "."};
}

}  // namespace longshore::shipper
