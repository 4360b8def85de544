#include "integrations/archive/archiver.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "config/limits.h"

namespace longshore::archive {

Archiver::Archiver(ArchiverOptions options, ArchiveTarget& target, const Clock& clock,
                   kafka::Stopping stopping, kafka::Complaints& complaints)
    : options_(std::move(options)),
      target_(target),
      clock_(clock),
      stopping_(std::move(stopping)),
      complaints_(complaints),
      last_(partitions_.end()) {}

Status Archiver::assigned(std::vector<kafka::AssignedPartition>& partitions) {
  Partitions kept = std::exchange(partitions_, {});
  last_ = partitions_.end();
  for (kafka::AssignedPartition& assigned : partitions) {
    auto before = kept.extract(assigned.key);
    if (before.empty()) {
      Chain chain(target_, options_.layout, assigned.key.topic, assigned.key.partition);
      partitions_.try_emplace(assigned.key, options_.spool, std::move(chain));
    } else {
      partitions_.insert(std::move(before));
    }
    PartitionArchive& partition = partitions_.at(assigned.key);
    Result<ChainEnd> end = settle(partition.chain());
    const Status status = end ? partition.take_on(assigned, *end) : Status(end.error());
    if (!status) {
      // Keep the other files for the next attempt, which drops those of reassigned partitions.
      partitions_.merge(kept);
      return status;
    }
  }
  failed_ = ok();
  ours_ = true;
  return ok();
}

// Nothing can be done while the archive is away, so wait for it, but not for long: the whole group
// waits meanwhile.
Result<ChainEnd> Archiver::settle(Chain& chain) {
  const int64_t deadline = clock_.monotonic_ns() + limits::kSettleNs;
  for (;;) {
    Result<ChainEnd> end = chain.settle();
    if (end) {
      const Status swept = chain.sweep(clock_.wall_ns() / 1'000'000 - options_.leftover_ms);
      if (!swept) spdlog::warn("archive: could not remove leftovers: {}", swept.error().message);
      return end;
    }
    if (end.error().code != ErrorCode::kRetryable || clock_.monotonic_ns() >= deadline ||
        stopping_(limits::kSettleRetryMs))
      return end;
  }
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
  failed_ = partition->add(record, hour_of_ms(ms), clock_.monotonic_ns(), line_);
  counts_.records += 1;
  counts_.bytes += record.key.size() + record.value.size();
  enough_ =
      !failed_ || partition->is_sealed() || partition->growing()->bytes() >= options_.roll_bytes;
}

size_t Archiver::files() const {
  size_t count = 0;
  for (const auto& [key, partition] : partitions_) count += partition.files();
  return count;
}

Status Archiver::seal_due() {
  const int64_t now = clock_.monotonic_ns();
  const bool crowded = is_crowded();
  PartitionArchive* largest = nullptr;
  for (auto& [key, partition] : partitions_) {
    const SpoolFile* file = partition.sealable();
    if (!file) continue;
    if (file->bytes() >= options_.roll_bytes || now - file->opened_ns() >= options_.roll_ns) {
      if (Status status = partition.seal(); !status) return status;
    } else if (!largest || file->bytes() > largest->growing()->bytes()) {
      largest = &partition;
    }
  }
  return crowded && largest ? largest->seal() : ok();
}

void Archiver::publish_due() {
  for (auto& [key, partition] : partitions_) {
    if (!partition.is_publish_due(clock_.monotonic_ns())) continue;
    Result<std::optional<SealedFile>> file = partition.publish(clock_.monotonic_ns());
    if (!file) {
      counts_.refused += 1;
      complaints_.add(
          fmt::format("archive: could not publish a file of {}; nothing is lost, retrying: {}",
                      to_string(key), file.error().message));
    } else if (*file) {
      counts_.files += 1;
      counts_.file_bytes += static_cast<uint64_t>((*file)->bytes);
      done_[key] = partition.chain_next();
    } else {
      failed_ = Error{ErrorCode::kRetryable,
                      fmt::format("another member archived {} up to offset {}; dropped our files",
                                  to_string(key), partition.chain_next())};
    }
  }
}

Status Archiver::work(int /*wait_ms*/) {
  enough_ = false;
  if (!ours_) return ok();
  if (!failed_) return failed_;
  if (Status status = seal_due(); !status) return failed_ = status;
  publish_due();
  crowded_ = is_crowded();
  return failed_;
}

Status Archiver::flush() {
  for (auto& [key, partition] : partitions_) {
    if (Status status = partition.seal(); !status) return failed_ = status;
  }
  publish_due();
  return ok();
}

// Bounds disk and memory: a partition whose file cannot be published is paused, and so is one
// without a file while there are too many files.
bool Archiver::holds_back(const kafka::PartitionKey& key) const {
  const auto at = partitions_.find(key);
  if (at == partitions_.end()) return false;
  return at->second.is_sealed() || (crowded_ && !at->second.growing());
}

void Archiver::take_done(kafka::Offsets& offsets) {
  for (auto& [key, next] : std::exchange(done_, {})) offsets[key] = next;
}

std::string Archiver::report(const kafka::Standing& standing) {
  if (counts_ == reported_) return {};
  const double rate = static_cast<double>(counts_.bytes - reported_.bytes) / 1e6 / standing.seconds;
  reported_ = counts_;
  return fmt::format(
      "archive: {} records, {:.1f} MB/s, {} files published with {:.1f} MB, {} open, {} refused, "
      "lag {}",
      counts_.records, rate, counts_.files, static_cast<double>(counts_.file_bytes) / 1e6, files(),
      counts_.refused, standing.unread);
}

}  // namespace longshore::archive
