#include "integrations/archive/archiver.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cassert>
#include <chrono>
#include <thread>

namespace longshore::archive {

namespace {

constexpr int kPollMs = 100;
constexpr size_t kPollRecords = 10'000;
constexpr int kCommitMs = 1'000;
constexpr int64_t kSecondNs = 1'000'000'000;
constexpr int64_t kRetryFirstNs = kSecondNs / 5;
constexpr int64_t kRetryMostNs = 5 * kSecondNs;
constexpr int64_t kSayEveryNs = 10 * kSecondNs;
/// How long the group waits for us while the archive does not answer; it gives us up later.
constexpr int64_t kSettleNs = 60 * kSecondNs;

}  // namespace

Archiver::Archiver(ArchiverOptions options, ArchiveTarget& target, const Clock& clock,
                   const std::atomic<bool>& stopping)
    : options_(std::move(options)),
      target_(target),
      clock_(clock),
      stopping_(stopping),
      last_(partitions_.end()) {}

Status Archiver::assigned(std::vector<kafka::AssignedPartition>& partitions) {
  std::map<Key, Partition> kept;
  kept.swap(partitions_);
  last_ = partitions_.end();
  for (kafka::AssignedPartition& assigned : partitions) {
    const Key key(assigned.topic, assigned.partition);
    auto before = kept.extract(key);
    if (before.empty()) {
      Chain chain(target_, options_.layout, assigned.topic, assigned.partition);
      partitions_.emplace(key, std::move(chain));
    } else {
      partitions_.insert(std::move(before));
    }
    Partition& partition = partitions_.at(key);
    if (Status status = take_on(assigned, partition); !status) {
      // What was kept stays for the next try; what another owns by then goes at that one.
      partitions_.merge(kept);
      return status;
    }
  }
  return ok();
}

// While the archive is away there is nothing better to do than to wait for it.
Result<ChainEnd> Archiver::settle(Partition& partition) {
  const int64_t deadline = clock_.monotonic_ns() + kSettleNs;
  for (;;) {
    Result<ChainEnd> end = partition.chain.settle();
    if (end) {
      const Status swept =
          partition.chain.sweep(clock_.wall_ns() / 1'000'000 - options_.leftover_ms);
      if (!swept) spdlog::warn("archive: {}", swept.error().message);
      return end;
    }
    if (end.error().code != ErrorCode::kRetryable || stopping_ || clock_.monotonic_ns() >= deadline)
      return end;
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
  }
}

Status Archiver::take_on(kafka::AssignedPartition& assigned, Partition& partition) {
  Result<ChainEnd> end = settle(partition);
  if (!end) return end.error();
  const std::string name = fmt::format("{}[{}]", assigned.topic, assigned.partition);
  if (end->next > assigned.high) {
    return Error{ErrorCode::kRetryable,
                 fmt::format("{} ends at offset {} and the archive at {}: was the topic made anew? "
                             "Then archive it elsewhere (--to)",
                             name, assigned.high, end->next)};
  }
  const bool fresh = partition.chain_next != end->next || (!partition.open && !partition.sealed);
  if (fresh) {
    partition.open.reset();
    partition.sealed.reset();
    partition.chain_next = partition.first = partition.read_next = end->next;
  }
  if (partition.read_next < assigned.low) {
    if (!end->empty) {
      spdlog::error(
          "archive: offsets [{}, {}) of {} are gone: Kafka deleted them before they were "
          "archived; raise the topic's retention",
          partition.read_next, assigned.low, name);
    }
    if (partition.open && !partition.sealed) {
      if (Status status = seal(partition); !status) return status;
    }
    partition.read_next = assigned.low;
    // What was read is kept: behind a file that waits, it grows on over what is gone.
    if (!partition.open) partition.first = assigned.low;
  }
  assigned.start = partition.read_next;
  return ok();
}

Archiver::Partition* Archiver::find(const kafka::ReadRecord& record) {
  const auto is = [&record](const auto& entry) {
    return entry.first.second == record.partition && entry.first.first == record.topic;
  };
  if (last_ == partitions_.end() || !is(*last_))
    last_ = std::find_if(partitions_.begin(), partitions_.end(), is);
  return last_ == partitions_.end() ? nullptr : &last_->second;
}

void Archiver::record(const kafka::ReadRecord& record) {
  Partition* partition = find(record);
  if (!partition || !failed_) return;
  const int64_t now_ms = clock_.wall_ns() / 1'000'000;
  // A producer's clock may be wrong; what lies ahead of ours is not believed.
  const int64_t ms = record.timestamp_ms < 0 ? now_ms : std::min(record.timestamp_ms, now_ms);
  const Hour hour = hour_of_ms(ms);
  // While a complete file waits, the one behind it grows: the group may have shared out anew, and a
  // record come before the partition was paused again.
  if (partition->open && !partition->sealed && hour > partition->open->hour())
    failed_ = seal(*partition);
  if (failed_ && !partition->open) {
    Result<SpoolFile> file =
        SpoolFile::open(options_.spool, partition->first, hour, clock_.monotonic_ns());
    if (file) {
      partition->open = *std::move(file);
    } else {
      failed_ = file.error();
    }
  }
  if (failed_) {
    line_.append(record, line_.is_own(record), partition->open->lines());
    failed_ = partition->open->added(record.offset);
    partition->read_next = record.offset + 1;
    if (!failed_) drop_open(*partition);
    counts_.records += 1;
    counts_.bytes += record.key.size() + record.value.size();
  }
  enough_ = !failed_ || partition->sealed || partition->open->bytes() >= options_.roll_bytes;
}

// What its spool did not take is read again.
void Archiver::drop_open(Partition& partition) {
  partition.open.reset();
  partition.read_next = partition.first;
}

Status Archiver::seal(Partition& partition) {
  assert(!partition.sealed);
  if (Status status = partition.open->seal(); !status) {
    drop_open(partition);
    return status;
  }
  partition.sealed = std::move(partition.open);
  partition.open.reset();
  partition.first = partition.sealed->last() + 1;
  partition.retry_ns = partition.retry_wait_ns = 0;
  return ok();
}

size_t Archiver::open_files() const {
  size_t count = 0;
  for (const auto& [key, partition] : partitions_)
    count += (partition.open ? 1u : 0u) + (partition.sealed ? 1u : 0u);
  return count;
}

Status Archiver::roll_due() {
  const int64_t now = clock_.monotonic_ns();
  const bool crowded = open_files() > options_.open_files;
  Partition* largest = nullptr;
  for (auto& [key, partition] : partitions_) {
    if (!partition.open || partition.sealed) continue;
    const SpoolFile& file = *partition.open;
    if (file.bytes() >= options_.roll_bytes || now - file.opened_ns() >= options_.roll_ns) {
      if (Status status = seal(partition); !status) return status;
    } else if (!largest || file.bytes() > largest->open->bytes()) {
      largest = &partition;
    }
  }
  return crowded && largest ? seal(*largest) : ok();
}

Status Archiver::seal_all() {
  for (auto& [key, partition] : partitions_) {
    if (!partition.open || partition.sealed) continue;
    if (Status status = seal(partition); !status) return status;
  }
  return ok();
}

bool Archiver::idle() const { return open_files() == 0; }

void Archiver::refuse(const Key& key, Partition& partition, const Error& error) {
  const int64_t now = clock_.monotonic_ns();
  counts_.refused += 1;
  partition.retry_wait_ns = std::clamp(partition.retry_wait_ns * 2, kRetryFirstNs, kRetryMostNs);
  partition.retry_ns = now + partition.retry_wait_ns;
  if (said_ns_ != 0 && now - said_ns_ < kSayEveryNs) return;
  said_ns_ = now;
  spdlog::warn("archive: {}[{}] waits, and is tried again: {}", key.first, key.second,
               error.message);
}

void Archiver::publish(const Key& key, Partition& partition, kafka::GroupReader& reader) {
  const SealedFile file = partition.sealed->sealed();
  Result<int64_t> next = partition.chain.publish(file, partition.chain_next);
  if (!next) return refuse(key, partition, next.error());
  if (*next != file.last + 1) {
    spdlog::warn("archive: {}[{}] was carried on by another up to offset {}; ours is dropped",
                 key.first, key.second, *next);
    partition.open.reset();
    partition.sealed.reset();
    failed_ = Error{ErrorCode::kRetryable, "another member carried a partition on"};
    return;
  }
  counts_.files += 1;
  counts_.file_bytes += static_cast<uint64_t>(file.bytes);
  partition.chain_next = *next;
  partition.sealed.reset();
  // Nothing depends on it, so it may fail: the partition may be another's by now.
  static_cast<void>(reader.commit(key.first, key.second, *next, kCommitMs));
}

void Archiver::publish_sealed(kafka::GroupReader& reader) {
  for (auto& [key, partition] : partitions_) {
    if (partition.sealed && partition.retry_ns <= clock_.monotonic_ns())
      publish(key, partition, reader);
  }
}

// A partition whose file cannot be published stands still, and so do those without a file when
// there are too many: disk and memory stay bounded.
Status Archiver::throttle(kafka::GroupReader& reader) {
  const bool crowded = open_files() > options_.open_files;
  for (auto& [key, partition] : partitions_) {
    const bool pause = partition.sealed || (crowded && !partition.open);
    Status status =
        pause ? reader.pause(key.first, key.second) : reader.resume(key.first, key.second);
    if (!status) return status;
  }
  return ok();
}

Status Archiver::turn(kafka::GroupReader& reader) {
  failed_ = ok();
  enough_ = false;
  if (Status status = reader.poll(kPollMs, kPollRecords); !status) return status;
  if (!failed_) return failed_;
  if (!reader.joined()) return ok();
  if (Status status = roll_due(); !status) return status;
  publish_sealed(reader);
  if (!failed_) return failed_;
  return throttle(reader);
}

}  // namespace longshore::archive
