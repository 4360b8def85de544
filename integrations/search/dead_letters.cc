#include "integrations/search/dead_letters.h"

#include <fmt/format.h>

#include <string_view>
#include <utility>

namespace longshore::search {
namespace {

constexpr int kPollMs = 100;

using Headers = std::unique_ptr<rd_kafka_headers_t, void (*)(rd_kafka_headers_t*)>;

Headers headers_of(const Bulk& bulk, const BulkItem& item, const Rejection& rejection) {
  Headers headers(rd_kafka_headers_new(6), rd_kafka_headers_destroy);
  const auto add = [&headers](const char* name, std::string_view value) {
    rd_kafka_header_add(headers.get(), name, -1, value.data(), static_cast<ssize_t>(value.size()));
  };
  add("longshore.reason", rejection.reason);
  add("longshore.status", std::to_string(rejection.status));
  add("longshore.topic", bulk.topic_of(item));
  add("longshore.partition", std::to_string(item.partition));
  add("longshore.offset", std::to_string(item.offset));
  std::string_view action = bulk.action_of(item);
  if (action.ends_with('\n')) action.remove_suffix(1);
  add("longshore.action", action);
  return headers;
}

}  // namespace

Result<std::unique_ptr<DeadLetters>> DeadLetters::open(const DeadLetterOptions& options,
                                                       Tally& tally) {
  auto conf = shipper::make_kafka_conf(options.brokers, options.settings);
  if (!conf) return conf.error();
  // A record that one topic took should fit another: the broker decides, not the client.
  shipper::KafkaSettings own = shipper::promised_settings("");
  own.emplace_back("message.max.bytes", "1000000000");
  own.emplace_back("linger.ms", "5");
  if (Status status = shipper::add_settings(own, conf->get()); !status) return status.error();
  std::unique_ptr<DeadLetters> letters(new DeadLetters(options, tally));
  rd_kafka_conf_set_dr_msg_cb(conf->get(), on_delivery);
  letters->log_.attach(conf->get());
  char words[512];
  letters->handle_ = rd_kafka_new(RD_KAFKA_PRODUCER, conf->get(), words, sizeof words);
  if (!letters->handle_) return Error{ErrorCode::kInvalid, fmt::format("--kafka: {}.", words)};
  static_cast<void>(conf->release());  // It belongs to the handle now.
  return letters;
}

DeadLetters::~DeadLetters() {
  if (handle_) rd_kafka_destroy(handle_);
}

Status DeadLetters::check(int timeout_ms) const {
  rd_kafka_topic_t* topic = rd_kafka_topic_new(handle_, options_.topic.c_str(), nullptr);
  if (!topic)
    return Error{ErrorCode::kInvalid,
                 fmt::format("--dead-letter {}: not a valid topic name.", options_.topic)};
  const std::unique_ptr<rd_kafka_topic_t, void (*)(rd_kafka_topic_t*)> holder(
      topic, rd_kafka_topic_destroy);
  const rd_kafka_metadata_t* found = nullptr;
  const auto code = rd_kafka_metadata(handle_, 0, topic, &found, timeout_ms);
  if (code) {
    return Error{ErrorCode::kRetryable, fmt::format("no answer from Kafka at {} ({})",
                                                    options_.brokers, rd_kafka_err2str(code))};
  }
  const std::unique_ptr<const rd_kafka_metadata_t, void (*)(const rd_kafka_metadata_t*)> answer(
      found, rd_kafka_metadata_destroy);
  if (found->topic_cnt == 1 && !found->topics[0].err && found->topics[0].partition_cnt > 0)
    return ok();
  if (found->topic_cnt == 1 && found->topics[0].err == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE)
    return Error{ErrorCode::kRetryable, fmt::format("{} has no leader yet", options_.topic)};
  return Error{
      ErrorCode::kNotFound,
      fmt::format("--dead-letter: Kafka at {} has no topic {}; create it, name another, or "
                  "use --dead-letter none to stop at the first rejected record.",
                  options_.brokers, options_.topic)};
}

void DeadLetters::on_delivery(rd_kafka_t*, const rd_kafka_message_t* message, void*) {
  auto* delivery = static_cast<Delivery*>(message->_private);
  delivery->open -= 1;
  if (message->err && !delivery->failed) delivery->failed = message->err;
}

Error DeadLetters::refused(rd_kafka_resp_err_t code) const {
  return {ErrorCode::kFatal, fmt::format("the dead-letter topic {} refused a record: {}",
                                         options_.topic, rd_kafka_err2str(code))};
}

rd_kafka_resp_err_t DeadLetters::produce(const Bulk& bulk, const Rejection& rejection,
                                         Delivery& delivery) {
  const BulkItem& item = bulk.items[rejection.item];
  const std::string_view key = bulk.key_of(item), value = bulk.value_of(item);
  Headers headers = headers_of(bulk, item, rejection);
  const auto code = rd_kafka_producev(
      handle_, RD_KAFKA_V_TOPIC(options_.topic.c_str()), RD_KAFKA_V_KEY(key.data(), key.size()),
      RD_KAFKA_V_VALUE(const_cast<char*>(value.data()), value.size()),
      RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_HEADERS(headers.get()),
      RD_KAFKA_V_OPAQUE(&delivery), RD_KAFKA_V_END);
  if (code) return code;
  static_cast<void>(headers.release());  // They belong to the message now.
  delivery.open += 1;
  return code;
}

Status DeadLetters::send(const Bulk& bulk, const std::function<bool()>& give_up) {
  const std::lock_guard lock(mutex_);
  Delivery delivery;
  bool given_up = false;
  for (const Rejection& rejection : bulk.rejections) {
    for (;;) {
      given_up = given_up || give_up();
      if (given_up || delivery.failed) break;
      const auto code = produce(bulk, rejection, delivery);
      if (!code) break;
      if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL) delivery.failed = code;
      rd_kafka_poll(handle_, kPollMs);
    }
  }
  while (delivery.open > 0) {
    rd_kafka_poll(handle_, kPollMs);
    if ((given_up || give_up()) && delivery.open > 0) {
      given_up = true;
      // `delivery` must outlive all reports that refer to it.
      rd_kafka_purge(handle_, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    }
  }
  if (given_up) return Error{ErrorCode::kRetryable, "given up"};
  if (delivery.failed) return refused(delivery.failed);
  tally_.dead_lettered += bulk.rejections.size();
  return ok();
}

}  // namespace longshore::search
