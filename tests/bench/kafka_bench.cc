// Measures a Session against real brokers and checks that what it reports as committed is:
//
//   kafka_bench BROKERS TOPIC PARTITIONS VALUE_BYTES TRANSACTION_RECORDS TRANSACTIONS
//
// Prints MB/s, the producer's CPU seconds a GB, and the milliseconds a commit took. Chunks are fed
// as a lane feeds them: at most two of limits::kChunkRecordsMax a partition outstanding.

#include <poll.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>

#include "config/limits.h"
#include "shipper/kafka_client.h"

namespace longshore::shipper {
namespace {

constexpr int kTimeoutMs = 30'000;

double wall_seconds() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

void must(const Status& status) {
  if (status) return;
  std::fprintf(stderr, "%s\n", status.error().message.c_str());
  std::exit(1);
}

struct Load {
  TopicPartition first;
  int32_t partitions = 1;
  size_t value_bytes = 200, transaction_records = 100'000, transactions = 10;
};

// Text like that of a log: it compresses by about three.
void fill(Chunk& chunk, size_t records, size_t value_bytes) {
  std::mt19937 random(1);
  chunk.key = "00000000000000aa";
  chunk.read.resize(records * value_bytes);
  for (size_t i = 0; i < records; ++i) {
    char* const value = chunk.read.data() + i * value_bytes;
    std::string text;
    while (text.size() < value_bytes) {
      text += "2026-11-21T04:50:00Z INFO request path=/api/v1/items/" + std::to_string(random()) +
              " status=200 took_us=" + std::to_string(random() % 9999) + ' ';
    }
    std::copy_n(text.begin(), value_bytes, value);
    rd_kafka_message_t& message = chunk.messages.emplace_back();
    message.payload = value;
    message.len = value_bytes;
    message.key = chunk.key.data();
    message.key_len = chunk.key.size();
    message._private = &chunk;
  }
}

class Feeder {
 public:
  Feeder(Session& session, const Load& load) : session_(session), load_(load) {
    const size_t records =
        std::min(limits::kChunkRecordsMax, limits::kChunkBytesMax / load.value_bytes);
    chunks_.resize(2 * static_cast<size_t>(load.partitions));
    for (Chunk& chunk : chunks_) fill(chunk, records, load.value_bytes);
  }

  void transaction(uint64_t number) {
    must(session_.begin());
    for (size_t sent = 0; sent < load_.transaction_records;) sent += feed();
    const double before = wall_seconds();
    must(session_.flush(kTimeoutMs, reports_));
    const double flushed = wall_seconds();
    must(session_.send_offset({number}, "digest-" + std::to_string(number), kTimeoutMs));
    const double sent = wall_seconds();
    must(session_.commit(kTimeoutMs, reports_));
    flush_s += flushed - before;
    offset_s += sent - flushed;
    commit_s += wall_seconds() - sent;
    count();
  }

  size_t reported = 0;
  double flush_s = 0, offset_s = 0, commit_s = 0;

 private:
  size_t feed() {
    for (;;) {
      for (size_t i = 0; i < chunks_.size(); ++i) {
        Chunk& chunk = chunks_[i];
        if (chunk.unreported > 0) continue;
        TopicPartition to = load_.first;
        to.partition = static_cast<int32_t>(i / 2);
        const Result<size_t> taken = session_.produce(&chunk, 0, to);
        must(taken ? ok() : Status(taken.error()));
        return taken.value();
      }
      pollfd wait{.fd = session_.report_fd(), .events = POLLIN, .revents = 0};
      poll(&wait, 1, kTimeoutMs);
      must(session_.reports(0, reports_));
      count();
    }
  }

  void count() {
    for (const Report& report : reports_) {
      if (report.trouble != Trouble::kNone) {
        must(Error{ErrorCode::kNotFound, report.message});
      }
      reported += report.records;
    }
    reports_.clear();
  }

  Session& session_;
  const Load& load_;
  std::vector<Chunk> chunks_;
  std::vector<Report> reports_;
};

void run(Kafka& kafka, const Load& load) {
  const std::string group = "longshore-agent.bench.0";
  must(kafka.create_topic(kCheckpointTopic, 1, 1, kTimeoutMs));
  must(kafka.create_topic(load.first.topic, load.partitions, 1, kTimeoutMs));
  Result<std::unique_ptr<Session>> session = kafka.open({.group = group});
  must(session ? ok() : Status(session.error()));
  must(session.value()->init_transactions(kTimeoutMs));
  Feeder feeder(*session.value(), load);
  const double wall = wall_seconds(), cpu = cpu_seconds();
  for (size_t i = 1; i <= load.transactions; ++i) feeder.transaction(i);
  const double took = wall_seconds() - wall, used = cpu_seconds() - cpu;

  const Result<GroupOffset> offset = kafka.committed(group, true, kTimeoutMs);
  must(offset ? ok() : Status(offset.error()));
  if (!offset.value().known || offset.value().number.value != load.transactions ||
      offset.value().digest != "digest-" + std::to_string(load.transactions)) {
    must(Error{ErrorCode::kNotFound, "The committed offset is not the last transaction's."});
  }
  const double gb = 1e-9 * static_cast<double>(feeder.reported * load.value_bytes);
  const double each = 1e3 / static_cast<double>(load.transactions);
  std::printf(
      "%zu records, %.1f MB/s, %.2f CPU s/GB, ms a transaction: flush %.1f offset %.1f "
      "commit %.1f of %.1f\n",
      feeder.reported, 1e3 * gb / took, used / gb, feeder.flush_s * each, feeder.offset_s * each,
      feeder.commit_s * each, took * each);
}

}  // namespace
}  // namespace longshore::shipper

int main(int argc, char** argv) {
  using namespace longshore::shipper;
  if (argc != 7) {
    std::fprintf(stderr,
                 "usage: kafka_bench BROKERS TOPIC PARTITIONS VALUE_BYTES "
                 "TRANSACTION_RECORDS TRANSACTIONS\n");
    return 2;
  }
  const Load load{.first = {.topic = argv[2], .partition = 0},
                  .partitions = std::atoi(argv[3]),
                  .value_bytes = std::strtoull(argv[4], nullptr, 10),
                  .transaction_records = std::strtoull(argv[5], nullptr, 10),
                  .transactions = std::strtoull(argv[6], nullptr, 10)};
  KafkaSettings settings;
  if (const char* codec = std::getenv("CODEC")) settings.emplace_back("compression.codec", codec);
  const auto kafka = make_kafka_client(argv[1], settings);
  run(*kafka, load);
  return 0;
}
