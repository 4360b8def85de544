#include "integrations/archive/archiver.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <string_view>
#include <utility>

#include "config/limits.h"

namespace longshore::archive {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

constexpr milliseconds kLook{20};
constexpr int64_t kMetricsNs = 10'000'000'000;

}  // namespace

Archiver::Archiver(ArchiverOptions options, ArchiveTarget& target, kafka::RecordProbe& probe,
                   const Clock& clock, kafka::Stopping stopping, kafka::Complaints& complaints)
    : options_(std::move(options)),
      site_{options_.spool, options_.layout, target, probe},
      clock_(clock),
      stopping_(std::move(stopping)),
      complaints_(complaints),
      last_(partitions_.end()),
      metrics_(options_.metrics_file),
      workers_(limits::kPublishers) {}

Status Archiver::assigned(std::vector<kafka::AssignedPartition>& partitions) {
  Partitions kept = std::exchange(partitions_, {});
  last_ = partitions_.end();
  resumed_.clear();
  for (const kafka::AssignedPartition& assigned : partitions) {
    auto before = kept.extract(assigned.key);
    if (before.empty()) {
      partitions_.try_emplace(assigned.key, site_, assigned.key);
    } else {
      partitions_.insert(std::move(before));
    }
    done_[assigned.key] = assigned.committed >= 0 ? assigned.committed : assigned.low;
    if (!options_.once) continue;
    const auto [end, first] = ends_.try_emplace(assigned.key, assigned.high);
    partitions_.at(assigned.key).stop_at(end->second);
  }
  std::map<kafka::PartitionKey, Result<Settled>> settled;
  settle_all(settled);
  for (kafka::AssignedPartition& assigned : partitions) {
    PartitionArchive& partition = partitions_.at(assigned.key);
    const auto found = settled.find(assigned.key);
    if (found != settled.end() && found->second) {
      const Result<int64_t> start = partition.take_on(*found->second);
      if (!start) {
        // Keep the other files for the next attempt, which drops those of reassigned partitions.
        partitions_.merge(kept);
        return start.error();
      }
      assigned.start = *start;
      continue;
    }
    // It is paused before its first record matters, and records() ignores it.
    assigned.start = assigned.high;
    partition.park(found == settled.end()
                       ? Error{ErrorCode::kRetryable, "the archive or Kafka has not answered yet"}
                       : found->second.error(),
                   clock_.monotonic_ns());
  }
  failed_ = ok();
  ours_ = true;
  return ok();
}

// Waits for all chains, but not for long: the whole group waits meanwhile. A job that has ended
// counts, however late it is looked at.
void Archiver::settle_all(std::map<kafka::PartitionKey, Result<Settled>>& settled) {
  const auto deadline = steady_clock::now() + milliseconds(limits::kSettleMs);
  for (;;) {
    const PartitionArchive* waits = nullptr;
    for (auto& [key, partition] : partitions_) {
      if (settled.contains(key)) continue;
      if (auto result = partition.take_settled()) {
        settled.emplace(key, *std::move(result));
        continue;
      }
      collect_published(partition);
      if (!partition.is_busy()) settle(partition);
      waits = &partition;
    }
    if (!waits || steady_clock::now() >= deadline || stopping_(0)) return;
    waits->wait(kLook);
  }
}

void Archiver::settle(PartitionArchive& partition) {
  partition.settle(workers_, clock_.wall_ns() / 1'000'000 - options_.leftover_ms);
}

PartitionArchive* Archiver::find(const kafka::ReadRecord& record) {
  const auto is = [&record](const auto& entry) {
    return entry.first.partition == record.partition && entry.first.topic == record.topic;
  };
  if (last_ == partitions_.end() || !is(*last_))
    last_ = std::find_if(partitions_.begin(), partitions_.end(), is);
  return last_ == partitions_.end() ? nullptr : &last_->second;
}

void Archiver::record(const kafka::ReadRecord& record) {
  PartitionArchive* partition = find(record);
  if (!partition || !failed_) return;
  const int64_t now_ms = clock_.wall_ns() / 1'000'000;
  // A producer's clock may be wrong: no record is later than now.
  const int64_t ms = record.timestamp_ms < 0 ? now_ms : std::min(record.timestamp_ms, now_ms);
  if (!unreadable_.empty()) unreadable_.erase(partition->key());
  failed_ = partition->add(record, hour_of_ms(ms), clock_.monotonic_ns(), line_);
  counts_.records += 1;
  counts_.bytes += record.key.size() + record.value.size();
  const SpoolFile* file = partition->growing();
  enough_ = !failed_ || (file && file->bytes() >= options_.roll_bytes);
}

void Archiver::read_to(const kafka::PartitionKey& key, int64_t next) {
  // The pump has not been told yet to go back.
  if (std::ranges::any_of(resumed_, [&key](const auto& each) { return each.partition == key; }))
    return;
  const auto at = partitions_.find(key);
  if (at != partitions_.end() && ours_ && failed_) at->second.read_to(next, clock_.monotonic_ns());
}

void Archiver::unreadable(const kafka::PartitionKey& partition, int tries,
                          const std::string& reason) {
  if (options_.once && tries >= limits::kReadTriesOnce) unreadable_[partition] = reason;
}

bool Archiver::is_last(const PartitionArchive& partition) const {
  return partition.parked() || partition.reached() || unreadable_.contains(partition.key());
}

size_t Archiver::files() const {
  size_t count = 0;
  for (const auto& [key, partition] : partitions_) count += partition.files();
  return count;
}

Status Archiver::seal_due() {
  const int64_t now = clock_.monotonic_ns();
  const Hour hour = hour_of_ms(clock_.wall_ns() / 1'000'000);
  size_t growing = 0;
  PartitionArchive* largest = nullptr;
  for (auto& [key, partition] : partitions_) {
    const bool last = is_last(partition);
    Status status = partition.seal_trailing(hour, now, last ? 0 : options_.roll_ns);
    if (!status) return status;
    if (partition.growing()) growing += 1;
    const SpoolFile* file = partition.sealable();
    if (!file) continue;
    if (last || file->bytes() >= options_.roll_bytes ||
        now - file->opened_ns() >= options_.roll_ns) {
      if (status = partition.seal(); !status) return status;
      growing -= 1;
    } else if (!largest || file->bytes() > largest->growing()->bytes()) {
      largest = &partition;
    }
  }
  return growing > options_.open_files && largest ? largest->seal() : ok();
}

void Archiver::begin_due() {
  const int64_t now = clock_.monotonic_ns();
  for (auto& [key, partition] : partitions_) {
    if (partition.is_publish_due(now)) partition.publish(workers_);
    if (partition.is_retry_due(now)) settle(partition);
  }
}

// Takes the result of the partition's job, if that has ended.
void Archiver::collect(PartitionArchive& partition) {
  collect_published(partition);
  const auto settled = partition.take_settled();
  if (!settled || !ours_ || !partition.parked()) return;  // It is settled anew when it is ours.
  if (*settled) {
    resume(partition, **settled);
  } else {
    partition.park(settled->error(), clock_.monotonic_ns());
  }
}

void Archiver::collect_published(PartitionArchive& partition) {
  const auto published = partition.take_published(clock_.monotonic_ns());
  if (!published) return;
  if (*published) {
    take(partition, **published);
  } else {
    counts_.refused += 1;
    complaints_.add(
        fmt::format("archive: could not publish a file of {}; nothing is lost, retrying: {}",
                    to_string(partition.key()), published->error().message));
  }
}

// A partition that was parked goes on, without a word to the group.
void Archiver::resume(PartitionArchive& partition, const Settled& settled) {
  const Result<int64_t> start = partition.take_on(settled);
  if (!start) {
    failed_ = start.error();
  } else if (!partition.parked()) {
    resumed_.push_back({partition.key(), *start, ""});
  }
}

void Archiver::take_parked(std::vector<kafka::Parking>& parked) {
  parked.insert(parked.end(), resumed_.begin(), resumed_.end());
  resumed_.clear();
}

void Archiver::take(PartitionArchive& partition, const Published& published) {
  const std::string key = to_string(partition.key());
  const bool ours = published.file && published.next == published.file->last + 1;
  if (ours) {
    counts_.files += 1;
    counts_.file_bytes += static_cast<uint64_t>(published.file->bytes);
  }
  if (published.renewed) {
    ends_.erase(partition.key());
    failed_ = Error{ErrorCode::kRetryable,
                    fmt::format("topic {} was deleted and made anew: {} begins again",
                                partition.key().topic, key)};
  } else if (!ours) {
    failed_ = Error{ErrorCode::kRetryable,
                    fmt::format("another member archived {} up to offset {}; dropped our files",
                                key, published.next)};
  }
}

Status Archiver::work(int /*wait_ms*/) {
  enough_ = false;
  for (auto& [key, partition] : partitions_) collect(partition);
  if (!ours_) return ok();
  if (!failed_) return failed_;
  if (Status status = seal_due(); !status) return failed_ = status;
  begin_due();
  crowded_ = files() > options_.open_files;
  return failed_;
}

Status Archiver::flush() {
  const int64_t now = clock_.monotonic_ns();
  const Hour hour = hour_of_ms(clock_.wall_ns() / 1'000'000);
  for (auto& [key, partition] : partitions_) {
    while (partition.is_busy()) {
      partition.wait(kLook);
      collect(partition);
    }
    Status status = partition.seal();
    if (status && failed_) status = partition.seal_trailing(hour, now, 0);
    if (!status) return failed_ = status;
    if (partition.is_publish_due(now)) partition.publish(workers_);
  }
  for (auto& [key, partition] : partitions_) {
    while (partition.is_busy()) {
      partition.wait(kLook);
      collect(partition);
    }
  }
  return ok();
}

bool Archiver::finished() const {
  const auto is_done = [this](const auto& entry) {
    const PartitionArchive& partition = entry.second;
    if (partition.is_busy() || partition.files() > 0) return false;
    if (partition.parked()) return partition.parked()->code != ErrorCode::kRetryable;
    return is_last(partition);
  };
  return options_.once && ours_ && failed_ && !partitions_.empty() &&
         std::all_of(partitions_.begin(), partitions_.end(), is_done);
}

// Else the pump would commit what was passed over.
bool Archiver::idle() const {
  return failed_ && files() == 0 && !options_.once && parked().empty() && resumed_.empty();
}

std::vector<std::string> Archiver::left_out() const {
  std::vector<std::string> sentences = parked();
  for (const auto& [key, reason] : unreadable_)
    sentences.push_back(
        fmt::format("{}: {}", to_string(key),
                    std::string_view(reason).substr(0, reason.find_last_not_of('.') + 1)));
  return sentences;
}

std::vector<std::string> Archiver::parked() const {
  std::vector<std::string> sentences;
  for (const auto& [key, partition] : partitions_) {
    if (partition.parked())
      sentences.push_back(fmt::format("{}: {}", to_string(key), partition.parked()->message));
  }
  return sentences;
}

// Bounds disk and memory: a partition whose file is refused is paused, one whose next file is full
// too, and one without a file while there are too many files.
bool Archiver::holds_back(const kafka::PartitionKey& key) const {
  const auto at = partitions_.find(key);
  if (at == partitions_.end()) return false;
  const PartitionArchive& partition = at->second;
  const SpoolFile* file = partition.growing();
  if (partition.parked() || partition.reached() || partition.is_refused()) return true;
  if (partition.is_sealed() && file && file->bytes() >= options_.roll_bytes) return true;
  return crowded_ && !file;
}

void Archiver::take_done(kafka::Offsets& offsets) {
  if (!ours_) return;
  for (const auto& [key, partition] : partitions_) {
    if (partition.parked()) continue;
    const int64_t next = partition.done_next();
    if (std::exchange(done_[key], next) != next) offsets[key] = next;
  }
}

std::string Archiver::report(const kafka::Standing& standing) {
  write_metrics(standing);
  if (counts_ == reported_) return {};
  const double rate = static_cast<double>(counts_.bytes - reported_.bytes) / 1e6 / standing.seconds;
  reported_ = counts_;
  return fmt::format(
      "archive: {} records, {:.1f} MB/s, {} files published with {:.1f} MB, {} open, {} refused, "
      "{} parked, lag {}",
      counts_.records, rate, counts_.files, static_cast<double>(counts_.file_bytes) / 1e6, files(),
      counts_.refused, parked().size(), standing.unread);
}

// Also while nothing happens: what stands still has to be seen.
void Archiver::write_metrics(const kafka::Standing& standing) {
  const int64_t now = clock_.monotonic_ns();
  if (options_.metrics_file.empty() || now < next_metrics_ns_) return;
  next_metrics_ns_ = now + kMetricsNs;
  kafka::Metrics metrics("longshore_archive_");
  const auto count = [&metrics](std::string_view name, uint64_t value) {
    metrics.counter(name, static_cast<double>(value));
  };
  count("records_total", counts_.records);
  count("record_bytes_total", counts_.bytes);
  count("files_published_total", counts_.files);
  count("file_bytes_total", counts_.file_bytes);
  count("publications_refused_total", counts_.refused);
  metrics.gauge("files_open", static_cast<double>(files()));
  metrics.gauge("partitions", static_cast<double>(standing.partitions));
  metrics.gauge("unread_records", static_cast<double>(standing.unread));
  metrics.gauge("lag_records", static_cast<double>(standing.uncommitted));
  std::vector<kafka::PartitionKey> waiting = standing.parked;
  for (const auto& [key, partition] : partitions_) {
    if (partition.parked()) waiting.push_back(key);
  }
  std::sort(waiting.begin(), waiting.end());
  waiting.erase(std::unique(waiting.begin(), waiting.end()), waiting.end());
  metrics.parked(waiting);
  metrics_.write(metrics);
}

}  // namespace longshore::archive
