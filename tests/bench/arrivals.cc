// Checks what arrived in a topic of lines that corpus.cc wrote; creates and deletes such topics.
//
//   arrivals create BROKERS TOPIC PARTITIONS
//   arrivals delete BROKERS TOPIC
//   arrivals wait BROKERS TOPIC LINES SECONDS    until as many offsets were given out
//   arrivals check BROKERS TOPIC LINES           reads all that is there and committed
//   arrivals follow BROKERS TOPIC LINES SECONDS  reads as lines come; delays from their t-<ns>
//   arrivals find BROKERS TOPIC ID SECONDS       when the line of that id came: {"monotonic_s":}
//
// `check` and `follow` print {"records":,"missing":,"doubled":,"reordered":,"p50_ms":,"p99_ms":}:
// reordered are lines that come after a later line of their file in the same partition.

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <map>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "integrations/kafka/reader.h"
#include "shipper/kafka/client.h"

namespace longshore {
namespace {

constexpr int kTimeoutMs = 30'000;
constexpr int kFollowMs = 2;  // A poll waits that long for more: it is part of a delay.
constexpr size_t kFilesMax = 1 << 16;

struct Wrong {
  std::string sentence;
};

void must(const Status& status) {
  if (!status) throw Wrong{status.error().message};
}

template <typename T>
T must(Result<T> result) {
  if (!result) throw Wrong{result.error().message};
  return std::move(result).value();
}

using SteadyClock = std::chrono::steady_clock;

bool number_at(std::string_view text, size_t at, size_t digits, int base, uint64_t& number) {
  if (at + digits > text.size()) return false;
  const char* const end = text.data() + at + digits;
  return std::from_chars(text.data() + at, end, number, base).ptr == end;
}

class Tally {
 public:
  void take(const kafka::ReadRecord& record) {
    ++records;
    uint64_t file = 0, number = 0;
    const size_t at = find_id(record.value, file, number);
    if (at == std::string_view::npos) {
      ++strange;
      return;
    }
    std::vector<bool>& seen = seen_[file];
    if (seen.size() <= number) seen.resize(std::max<size_t>(number + 1, seen.size() * 2));
    if (seen[number]) {
      ++doubled;
    } else {
      seen[number] = true;
      ++distinct;
    }
    uint64_t& last = last_[{record.partition, file}];
    if (number + 1 < last) ++reordered;
    last = std::max(last, number + 1);
    uint64_t written_ns = 0;
    if (record.value.substr(at, 3) == " t-" && number_at(record.value, at + 3, 19, 10, written_ns))
      note_delay(written_ns);
  }

  double delay_ms(double part) {
    if (delays_ms_.empty()) return 0;
    const auto at = static_cast<size_t>(part * static_cast<double>(delays_ms_.size() - 1));
    std::nth_element(delays_ms_.begin(), delays_ms_.begin() + static_cast<int64_t>(at),
                     delays_ms_.end());
    return delays_ms_[at];
  }

  uint64_t records = 0, distinct = 0, doubled = 0, reordered = 0, strange = 0;

 private:
  // The place behind the id.
  static size_t find_id(std::string_view value, uint64_t& file, uint64_t& number) {
    for (size_t at = value.find("r-"); at != std::string_view::npos; at = value.find("r-", at + 1))
      if (number_at(value, at + 2, 4, 16, file) && number_at(value, at + 7, 8, 16, number) &&
          value[at + 6] == '-' && file < kFilesMax)
        return at + 15;
    return std::string_view::npos;
  }

  void note_delay(uint64_t written_ns) {
    const auto now = std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch());
    delays_ms_.push_back(1e-6 *
                         static_cast<double>(now.count() - static_cast<int64_t>(written_ns)));
  }

  std::map<uint64_t, std::vector<bool>> seen_;
  std::map<std::pair<int32_t, uint64_t>, uint64_t> last_;
  std::vector<double> delays_ms_;
};

void print(Tally& tally, uint64_t lines) {
  fmt::print(
      "{{\"records\":{},\"missing\":{},\"doubled\":{},\"reordered\":{},\"strange\":{},"
      "\"p50_ms\":{:.2f},\"p99_ms\":{:.2f}}}\n",
      tally.records, lines - std::min(lines, tally.distinct), tally.doubled, tally.reordered,
      tally.strange, tally.delay_ms(0.5), tally.delay_ms(0.99));
}

kafka::ReaderOptions options_of(const std::string& brokers, const std::string& topic) {
  return {.brokers = brokers, .topics = {topic}, .settings = {}};
}

void check(const std::string& brokers, const std::string& topic, uint64_t lines) {
  Tally tally;
  const auto reader = must(kafka::Reader::open(options_of(brokers, topic)));
  while (!reader->ended()) {
    must(reader->poll(20, [&](const kafka::ReadRecord& record) { tally.take(record); }));
  }
  print(tally, lines);
}

void follow(const std::string& brokers, const std::string& topic, uint64_t lines, int seconds) {
  kafka::ReaderOptions options = options_of(brokers, topic);
  options.follow = true;
  options.settings = {{"fetch.wait.max.ms", "5"}};
  Tally tally;
  const auto reader = must(kafka::Reader::open(options));
  const auto until = SteadyClock::now() + std::chrono::seconds(seconds);
  while (tally.records < lines && SteadyClock::now() < until) {
    must(reader->poll(kFollowMs, [&](const kafka::ReadRecord& record) { tally.take(record); }));
  }
  print(tally, lines);
}

// For questions that no reader answers.
rd_kafka_t* make_handle(rd_kafka_type_t type, const std::string& brokers) {
  shipper::KafkaConf conf = must(shipper::make_kafka_conf(brokers, {}));
  rd_kafka_conf_set_log_cb(conf.get(), nullptr);
  char words[512];
  rd_kafka_t* const handle = rd_kafka_new(type, conf.get(), words, sizeof words);
  if (!handle) throw Wrong{words};
  static_cast<void>(conf.release());  // It belongs to the handle now.
  return handle;
}

void find(const std::string& brokers, const std::string& topic, const std::string& id,
          int seconds) {
  kafka::ReaderOptions options = options_of(brokers, topic);
  options.follow = true;
  options.settings = {{"fetch.wait.max.ms", "5"}};
  const auto reader = must(kafka::Reader::open(options));
  const auto until = SteadyClock::now() + std::chrono::seconds(seconds);
  bool found = false;
  while (!found) {
    if (SteadyClock::now() > until) throw Wrong{id + " did not come"};
    must(reader->poll(20, [&](const kafka::ReadRecord& record) {
      found = found || record.value.find(id) != std::string_view::npos;
    }));
  }
  const std::chrono::duration<double> now = SteadyClock::now().time_since_epoch();
  fmt::print("{{\"monotonic_s\":{:.6f}}}\n", now.count());
}

void wait_for(const std::string& brokers, const std::string& topic, uint64_t lines, int seconds) {
  rd_kafka_t* const handle = make_handle(RD_KAFKA_CONSUMER, brokers);
  const auto kafka = shipper::make_kafka_client(brokers, {});
  const int32_t partitions = must(kafka->topic_shape(topic, kTimeoutMs)).partitions;
  const auto until = SteadyClock::now() + std::chrono::seconds(seconds);
  for (;;) {
    uint64_t given = 0;
    for (int32_t i = 0; i < partitions; ++i) {
      int64_t low = 0, high = 0;
      if (!rd_kafka_query_watermark_offsets(handle, topic.c_str(), i, &low, &high, kTimeoutMs)) {
        given += static_cast<uint64_t>(high);
      }
    }
    if (given >= lines) break;
    if (SteadyClock::now() > until) {
      throw Wrong{fmt::format("{} of {} offsets within {} s", given, lines, seconds)};
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  rd_kafka_destroy_flags(handle, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}

void drop(const std::string& brokers, const std::string& topic) {
  rd_kafka_t* const handle = make_handle(RD_KAFKA_PRODUCER, brokers);
  rd_kafka_DeleteTopic_t* deleted[] = {rd_kafka_DeleteTopic_new(topic.c_str())};
  rd_kafka_queue_t* const queue = rd_kafka_queue_new(handle);
  rd_kafka_DeleteTopics(handle, deleted, 1, nullptr, queue);
  rd_kafka_event_t* const event = rd_kafka_queue_poll(queue, kTimeoutMs);
  const bool done = event != nullptr && !rd_kafka_event_error(event);
  if (event != nullptr) rd_kafka_event_destroy(event);
  rd_kafka_DeleteTopic_destroy(deleted[0]);
  rd_kafka_queue_destroy(queue);
  rd_kafka_destroy(handle);
  if (!done) throw Wrong{"the topic could not be deleted"};
}

bool run(const std::vector<std::string>& words) {
  const std::string verb = words.empty() ? "" : words[0];
  const size_t count = verb == "delete" ? 3 : verb == "create" || verb == "check" ? 4 : 5;
  if (words.size() != count) return false;
  const std::string &brokers = words[1], &topic = words[2];
  if (verb == "delete") {
    drop(brokers, topic);
  } else if (verb == "create") {
    const auto kafka = shipper::make_kafka_client(brokers, {});
    must(kafka->create_topic(topic, std::stoi(words[3]), 1, kTimeoutMs));
    // A busy broker says that it is made before it can be asked for.
    const auto until = SteadyClock::now() + std::chrono::milliseconds(kTimeoutMs);
    while (!kafka->topic_shape(topic, kTimeoutMs) && SteadyClock::now() < until)
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
  } else if (verb == "check") {
    check(brokers, topic, std::stoull(words[3]));
  } else if (verb == "wait") {
    wait_for(brokers, topic, std::stoull(words[3]), std::stoi(words[4]));
  } else if (verb == "find") {
    find(brokers, topic, words[3], std::stoi(words[4]));
  } else if (verb == "follow") {
    follow(brokers, topic, std::stoull(words[3]), std::stoi(words[4]));
  } else {
    return false;
  }
  return true;
}

}  // namespace
}  // namespace longshore

int main(int argc, char** argv) {
  try {
    if (longshore::run({argv + 1, argv + argc})) return 0;
  } catch (const longshore::Wrong& wrong) {
    std::fprintf(stderr, "arrivals: %s\n", wrong.sentence.c_str());
    return 1;
  }
  std::fprintf(stderr, "usage: arrivals create|delete|wait|check|follow|find BROKERS TOPIC ...\n");
  return 2;
}
