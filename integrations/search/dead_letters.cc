#include "integrations/search/dead_letters.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "integrations/kafka/record_probe.h"

namespace longshore::search {
namespace {

constexpr int kPollMs = 100;

using Headers = std::unique_ptr<rd_kafka_headers_t, void (*)(rd_kafka_headers_t*)>;

// A reason and an action of hundreds of bytes are not worth more of the value; see short_headers.
constexpr size_t kShortReasonBytes = 100;
// What a record's frame, its key's length and the batch around it take, and more.
constexpr size_t kFrameBytes = 512;

struct LetterParts {
  std::string_view key, value;
  std::vector<std::pair<const char*, std::string>> headers;

  size_t header_bytes() const {
    size_t bytes = 0;
    for (const auto& [name, value_of] : headers) bytes += std::strlen(name) + value_of.size() + 8;
    return bytes;
  }
};

LetterParts parts_of(const Bulk& bulk, const Rejection& rejection, const std::string& cluster,
                     size_t value_bytes_max, bool short_headers) {
  const BulkItem& item = bulk.items[rejection.item];
  const std::string_view key = bulk.key_of(item), value = bulk.value_of(item);
  LetterParts parts{short_headers ? std::string_view{} : key, value.substr(0, value_bytes_max), {}};
  const auto add = [&parts](const char* name, std::string text) {
    parts.headers.emplace_back(name, std::move(text));
  };
  add("longshore.reason",
      rejection.reason.substr(0, short_headers ? kShortReasonBytes : std::string::npos));
  add("longshore.status", std::to_string(rejection.status));
  add("longshore.topic", bulk.topic_of(item));
  add("longshore.partition", std::to_string(item.partition));
  add("longshore.offset", std::to_string(item.offset));
  add("longshore.timestamp", std::to_string(item.kafka_ms));
  add("longshore.cluster", cluster);
  const kafka::RecordMark mark =
      kafka::mark_of({.key = key, .value = value, .timestamp_ms = item.kafka_ms});
  add("longshore.hash", fmt::format("{:016x}", mark.hash));
  std::string_view action = bulk.action_of(item);
  if (action.ends_with('\n')) action.remove_suffix(1);
  if (!short_headers && !action.empty()) add("longshore.action", std::string(action));
  if (parts.value.size() < value.size())
    add("longshore.cut", std::to_string(value.size() - parts.value.size()));
  if (parts.key.size() < key.size()) add("longshore.key_cut", std::to_string(key.size()));
  return parts;
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
  static_cast<Letter*>(message->_private)->answer = message->err;
}

Error DeadLetters::refused(rd_kafka_resp_err_t code) const {
  return {ErrorCode::kFatal, fmt::format("the dead-letter topic {} refused a record: {}",
                                         options_.topic, rd_kafka_err2str(code))};
}

rd_kafka_resp_err_t DeadLetters::produce(const Bulk& bulk, Letter& letter) {
  const LetterParts parts = parts_of(bulk, bulk.rejections[letter.rejection], cluster_,
                                     letter.value_bytes_max, letter.short_headers);
  Headers headers(rd_kafka_headers_new(parts.headers.size()), rd_kafka_headers_destroy);
  for (const auto& [name, text] : parts.headers)
    rd_kafka_header_add(headers.get(), name, -1, text.data(), static_cast<ssize_t>(text.size()));
  letter.answer = RD_KAFKA_RESP_ERR__IN_PROGRESS;
  const auto code =
      rd_kafka_producev(handle_, RD_KAFKA_V_TOPIC(options_.topic.c_str()),
                        RD_KAFKA_V_KEY(parts.key.data(), parts.key.size()),
                        RD_KAFKA_V_VALUE(const_cast<char*>(parts.value.data()), parts.value.size()),
                        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_HEADERS(headers.get()),
                        RD_KAFKA_V_OPAQUE(&letter), RD_KAFKA_V_END);
  if (!code) static_cast<void>(headers.release());  // They belong to the message now.
  return code;
}

// Returns when each letter has its answer. Errors: kRetryable.
Status DeadLetters::deliver(const Bulk& bulk, std::span<Letter> letters,
                            const std::function<bool()>& give_up) {
  bool given_up = false;
  size_t sent = 0;
  while (sent < letters.size()) {
    given_up = given_up || give_up();
    if (given_up) break;
    const auto code = produce(bulk, letters[sent]);
    if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
      rd_kafka_poll(handle_, kPollMs);
      continue;
    }
    if (code) letters[sent].answer = code;
    sent += 1;
  }
  const auto is_open = [](const Letter& letter) {
    return letter.answer == RD_KAFKA_RESP_ERR__IN_PROGRESS;
  };
  const std::span<Letter> on_their_way = letters.subspan(0, sent);
  while (std::ranges::any_of(on_their_way, is_open)) {
    rd_kafka_poll(handle_, kPollMs);
    if (!given_up && !give_up()) continue;
    given_up = true;
    // The letters must outlive all reports that refer to them.
    rd_kafka_purge(handle_, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
  }
  return given_up ? Status(Error{ErrorCode::kRetryable, "given up"}) : ok();
}

// Its headers push a record over the limit that its own topic had, or the limits differ. Alone, for
// the limit holds for a batch.
Status DeadLetters::cut_and_deliver(const Bulk& bulk, Letter& letter,
                                    const std::function<bool()>& give_up) {
  const Rejection& rejection = bulk.rejections[letter.rejection];
  const LetterParts whole = parts_of(bulk, rejection, cluster_, SIZE_MAX, false);
  const size_t extra = whole.header_bytes() + kFrameBytes;
  for (;;) {
    if (Status sent = deliver(bulk, {&letter, 1}, give_up); !sent) return sent;
    if (letter.answer != RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE || letter.value_bytes_max == 0)
      return ok();
    const size_t bytes = whole.value.size();
    if (letter.value_bytes_max == SIZE_MAX) {
      letter.value_bytes_max = bytes > extra ? bytes - extra : 0;
    } else {
      letter.value_bytes_max /= 2;
    }
    letter.short_headers = letter.value_bytes_max == 0;
  }
}

// Errors: kRetryable.
Status DeadLetters::find_cluster(const std::function<bool()>& give_up) {
  while (cluster_.empty()) {
    if (give_up()) return Error{ErrorCode::kRetryable, "given up"};
    char* const id = rd_kafka_clusterid(handle_, kPollMs);
    if (!id) continue;
    cluster_ = id;
    rd_kafka_mem_free(handle_, id);
  }
  return ok();
}

Status DeadLetters::send(const Bulk& bulk, const std::function<bool()>& give_up) {
  const std::lock_guard lock(mutex_);
  if (Status found = find_cluster(give_up); !found) return found;
  std::vector<Letter> letters(bulk.rejections.size());
  for (size_t i = 0; i < letters.size(); ++i) letters[i].rejection = i;
  if (Status sent = deliver(bulk, letters, give_up); !sent) return sent;
  for (Letter& letter : letters) {
    if (letter.answer == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) {
      if (Status sent = cut_and_deliver(bulk, letter, give_up); !sent) return sent;
    }
  }
  for (const Letter& letter : letters) {
    if (letter.answer) return refused(letter.answer);
  }
  tally_.dead_lettered += bulk.rejections.size();
  return ok();
}

}  // namespace longshore::search
