// What librdkafka and the broker allow: the values that the agent would make of a file, handed over
// from memory through the same Session with the same settings, by one thread that does nothing
// else. Checks that what it reports as committed is.
//
//   ceiling BROKERS TOPIC FILE raw|text MEGABYTES exactly-once|at-least-once [k=v ...]
//
// MEGABYTES of the lines of a file, or of a directory's files, are sent: 64 MB again and again, as
// keys a source's id, to partitions 0 to PARTITIONS-1 in turn. Words k=v are settings of
// librdkafka, and these: partitions=1, transaction-mb=128. A partition is fed as a lane feeds it
// (Destination::has_room). Prints one JSON object: MB/s and CPU seconds a GB of the file's bytes,
// the peak memory, milliseconds of a transaction's end.

#include <fmt/format.h>
#include <poll.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "agent/lane/destinations.h"
#include "config/limits.h"
#include "shipper/kafka/client.h"
#include "shipper/record/record_encoder.h"

namespace longshore {
namespace {

constexpr int kTimeoutMs = 60'000;
constexpr size_t kSampleBytes = 64 << 20;

using shipper::Chunk;

double wall_seconds() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

rusage usage() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  return used;
}

double cpu_seconds() {
  const rusage used = usage();
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

struct Wrong {
  std::string sentence;
};

void must(const Status& status) {
  if (!status) throw Wrong{status.error().message};
}

struct Load {
  std::string brokers, topic, file;
  RecordFormat format = RecordFormat::kRaw;
  uint64_t bytes = 0;
  bool exactly_once = true;
  size_t partitions = 1;
  uint64_t transaction_bytes = 128 << 20;
  shipper::KafkaSettings settings;
};

// A chunk of the sample, which stands for this many bytes of the file.
struct Piece {
  std::unique_ptr<Chunk> chunk;
  uint64_t file_bytes = 0;
};

// The beginnings of the files, whole lines only.
std::string read_sample(const Load& load) {
  std::string sample;
  std::vector<std::filesystem::path> paths = {load.file};
  if (std::filesystem::is_directory(load.file)) {
    const std::filesystem::directory_iterator all(load.file);
    paths.assign(begin(all), end(all));
    std::sort(paths.begin(), paths.end());
  }
  for (const auto& path : paths) {
    std::ifstream file(path, std::ios::binary);
    std::string part(kSampleBytes / paths.size(), '\0');
    file.read(part.data(), static_cast<std::streamsize>(part.size()));
    const std::string_view got(part.data(), static_cast<size_t>(file.gcount()));
    sample += got.substr(0, got.rfind('\n') + 1);
  }
  if (sample.empty()) throw Wrong{load.file + " has no line"};
  return sample;
}

// One chunk of the sample from `at` on, as a decoder fills it.
Piece make_piece(std::string_view sample, size_t at, shipper::RecordEncoder& encoder) {
  Piece piece{.chunk = std::make_unique<Chunk>()};
  Chunk& chunk = *piece.chunk;
  const size_t want = std::min(2 * limits::kChunkBytesMax, sample.size() - at);
  chunk.read.resize(want);
  std::copy_n(sample.data() + at, want, chunk.read.data());
  const std::string_view bytes(chunk.read.data(), want);
  size_t done = 0;
  while (chunk.messages.size() < limits::kChunkRecordsMax && done < limits::kChunkBytesMax &&
         chunk.encoded.size() < limits::kChunkBytesMax) {
    const size_t newline = bytes.find('\n', done);
    if (newline == std::string_view::npos) break;
    encoder.append({.text = bytes.substr(done, newline - done),
                    .start = {at + done},
                    .end = {at + newline + 1},
                    .offset = at + done,
                    .time_ns = 1'795'236'600'000'000'000},
                   chunk);
    done = newline + 1;
  }
  encoder.finish(chunk);
  piece.file_bytes = done;
  return piece;
}

// The whole sample, again and again while that makes too few to keep every partition fed.
std::vector<Piece> make_pieces(const Load& load) {
  const std::string sample = read_sample(load);
  shipper::RecordEncoder encoder({.source = SourceId{0xaa},
                                  .format = load.format,
                                  .name = "bench",
                                  .path = load.file,
                                  .host_name = "host-1"});
  std::vector<Piece> pieces;
  for (size_t at = 0; at < sample.size() || pieces.size() < 4 * load.partitions;) {
    if (at >= sample.size()) at = 0;
    pieces.push_back(make_piece(sample, at, encoder));
    at += pieces.back().file_bytes;
  }
  return pieces;
}

class Feeder {
 public:
  Feeder(shipper::Session& session, const Load& load, std::vector<Piece> pieces)
      : session_(session), load_(load), pieces_(std::move(pieces)), to_(load.partitions) {
    for (size_t i = 0; i < to_.size(); ++i) {
      to_[i].where = {.topic = load.topic, .partition = static_cast<int32_t>(i)};
    }
  }

  void run() {
    while (sent < load_.bytes) {
      if (load_.exactly_once) must(session_.begin());
      const uint64_t until = std::min(load_.bytes, sent + load_.transaction_bytes);
      while (sent < until) feed();
      const double before = wall_seconds();
      must(session_.flush(kTimeoutMs, reports_));
      ++transactions;
      if (load_.exactly_once) {
        must(session_.send_offset({transactions}, digest(), kTimeoutMs));
        must(session_.commit(kTimeoutMs, reports_));
      }
      end_s += wall_seconds() - before;
      count();
    }
  }

  std::string digest() const { return "digest-" + std::to_string(transactions); }

  uint64_t sent = 0, transactions = 0, records = 0;
  double end_s = 0;

 private:
  void feed() {
    agent::Destination& to = to_[next_to_];
    Piece& piece = pieces_[next_piece_];
    if (!to.has_room() || piece.chunk->unreported > 0) return wait();
    next_to_ = (next_to_ + 1) % to_.size();
    next_piece_ = (next_piece_ + 1) % pieces_.size();
    Chunk& chunk = *piece.chunk;
    chunk.owner = &to;
    to.records_out += chunk.messages.size();
    to.bytes_out += chunk.value_bytes;
    sent += piece.file_bytes;
    for (size_t first = 0; first < chunk.messages.size();) {
      const Result<size_t> taken = session_.produce(&chunk, first, to.where);
      must(taken ? ok() : Status(taken.error()));
      first += taken.value();
      if (first < chunk.messages.size()) wait();
    }
  }

  void wait() {
    pollfd readable{.fd = session_.report_fd(), .events = POLLIN, .revents = 0};
    poll(&readable, 1, kTimeoutMs);
    must(session_.reports(0, reports_));
    count();
  }

  void count() {
    for (const shipper::Report& report : reports_) {
      if (report.trouble != shipper::Trouble::kNone) throw Wrong{report.message};
      agent::Destination& to = *static_cast<agent::Destination*>(report.chunk->owner);
      to.records_out -= report.records;
      to.bytes_out -= report.value_bytes;
      records += report.records;
    }
    reports_.clear();
  }

  shipper::Session& session_;
  const Load& load_;
  std::vector<Piece> pieces_;
  std::vector<agent::Destination> to_;
  std::vector<shipper::Report> reports_;
  size_t next_to_ = 0, next_piece_ = 0;
};

void run(const Load& load) {
  const std::string group = "longshore-agent.bench." + load.topic;
  const auto kafka = shipper::make_kafka_client(load.brokers, load.settings);
  must(kafka->create_topic(shipper::kCheckpointTopic, 1, 1, kTimeoutMs));
  must(kafka->create_topic(load.topic, static_cast<int32_t>(load.partitions), 1, kTimeoutMs));
  auto session = kafka->open({.group = group, .transactional = load.exactly_once});
  must(session ? ok() : Status(session.error()));
  if (load.exactly_once) must(session.value()->init_transactions(kTimeoutMs));
  Feeder feeder(*session.value(), load, make_pieces(load));
  const double wall = wall_seconds(), cpu = cpu_seconds();
  feeder.run();
  const double took = wall_seconds() - wall, used = cpu_seconds() - cpu;

  if (load.exactly_once) {
    const auto offset = kafka->committed(group, true, kTimeoutMs);
    must(offset ? ok() : Status(offset.error()));
    if (!offset.value().known || offset.value().number.value != feeder.transactions ||
        offset.value().digest != feeder.digest()) {
      throw Wrong{"the committed offset is not the last transaction's"};
    }
  }
  const double gb = 1e-9 * static_cast<double>(feeder.sent);
  fmt::print(
      "{{\"mb_s\":{:.1f},\"cpu_s_gb\":{:.3f},\"peak_mb\":{},\"records\":{},\"end_ms\":{:.1f}}}\n",
      1e3 * gb / took, used / gb, usage().ru_maxrss / 1024, feeder.records,
      1e3 * feeder.end_s / static_cast<double>(feeder.transactions));
}

bool parse(const std::vector<std::string>& words, Load& load) {
  if (words.size() < 6) return false;
  load.brokers = words[0], load.topic = words[1], load.file = words[2];
  if (words[3] != "raw" && words[3] != "text") return false;
  load.format = words[3] == "raw" ? RecordFormat::kRaw : RecordFormat::kText;
  load.bytes = static_cast<uint64_t>(std::stod(words[4]) * 1e6);
  if (words[5] != "exactly-once" && words[5] != "at-least-once") return false;
  load.exactly_once = words[5] == "exactly-once";
  for (size_t i = 6; i < words.size(); ++i) {
    const size_t equals = words[i].find('=');
    if (equals == std::string::npos) return false;
    const std::string name = words[i].substr(0, equals), value = words[i].substr(equals + 1);
    if (name == "partitions") {
      load.partitions = std::stoul(value);
    } else if (name == "transaction-mb") {
      load.transaction_bytes = static_cast<uint64_t>(std::stod(value) * 1e6);
    } else {
      load.settings.emplace_back(name, value);
    }
  }
  return load.partitions > 0 && load.transaction_bytes > 0;
}

}  // namespace
}  // namespace longshore

int main(int argc, char** argv) {
  longshore::Load load;
  if (!longshore::parse({argv + 1, argv + argc}, load)) {
    std::fprintf(stderr,
                 "usage: ceiling BROKERS TOPIC FILE raw|text MEGABYTES "
                 "exactly-once|at-least-once [partitions=N] [transaction-mb=N] [k=v ...]\n");
    return 2;
  }
  try {
    longshore::run(load);
  } catch (const longshore::Wrong& wrong) {
    std::fprintf(stderr, "ceiling: %s\n", wrong.sentence.c_str());
    return 1;
  }
  return 0;
}
