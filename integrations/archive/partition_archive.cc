#include "integrations/archive/partition_archive.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <cassert>
#include <utility>

#include "config/limits.h"

namespace longshore::archive {

namespace {

template <typename T>
bool is_ready(const std::future<T>& future, std::chrono::milliseconds timeout = {}) {
  return future.valid() && future.wait_for(timeout) == std::future_status::ready;
}

/// Hands `job` to a worker; it must hold all that it uses, because nobody may wait for it.
template <typename T>
std::future<T> begin(Workers& workers, std::function<T()> job) {
  auto task = std::make_shared<std::packaged_task<T()>>(std::move(job));
  std::future<T> future = task->get_future();
  workers.add([task] { (*task)(); });
  return future;
}

}  // namespace

PartitionArchive::PartitionArchive(const Site& site, kafka::PartitionKey key)
    : site_(site),
      key_(std::move(key)),
      backoff_(limits::kPublishRetryFirstNs, limits::kPublishRetryLastNs),
      parked_backoff_(limits::kParkedRetryFirstNs, limits::kParkedRetryLastNs) {}

void PartitionArchive::settle(Workers& workers, int64_t leftovers_before_ms) {
  assert(!is_busy());
  settling_ = begin<Result<Settled>>(
      workers, [site = &site_, key = key_, has_files = files() > 0, leftovers_before_ms] {
        return settle_partition(*site, key, has_files, leftovers_before_ms);
      });
}

void PartitionArchive::publish(Workers& workers) {
  assert(sealed_ && !is_busy());
  publishing_ = begin<Result<Published>>(
      workers,
      [site = &site_, key = key_, chain = chain_, next = chain_next_, mark = mark_,
       sealed = sealed_] { return publish_file(*site, key, *chain, next, mark, *sealed); });
}

void PartitionArchive::wait(std::chrono::milliseconds timeout) const {
  static_cast<void>(is_ready(settling_, timeout) || is_ready(publishing_, timeout));
}

std::optional<Result<Settled>> PartitionArchive::take_settled() {
  if (!is_ready(settling_)) return std::nullopt;
  return settling_.get();
}

std::optional<Result<Published>> PartitionArchive::take_published(int64_t now_ns) {
  if (!is_ready(publishing_)) return std::nullopt;
  Result<Published> published = publishing_.get();
  if (!published) {
    retry_ns_ = now_ns + backoff_.next();
    return published;
  }
  chain_next_ = published->next;
  const bool ours = published->file && published->next == published->file->last + 1;
  if (ours) mark_ = published->file->mark;
  if (ours && published->whole) {
    sealed_.reset();
    // What grows is of the earlier topic too, at its beginning: it is published before the new one
    // is read.
    if (published->renewed && growing_) published->renewed = false;
  } else {
    drop_files();
  }
  return published;
}

Result<int64_t> PartitionArchive::take_on(const Settled& settled) {
  const bool same =
      chain_ && generation_ == settled.generation && chain_next_ == settled.end.next && files() > 0;
  if (!same) {
    drop_files();
    chain_next_ = first_ = read_next_ = settled.end.empty ? settled.begin : settled.end.next;
    chain_ = settled.chain;
    generation_ = settled.generation;
    mark_ = settled.end.mark;
  }
  const auto [low, high] = settled.kafka;
  if (read_next_ < low) {
    if (!settled.end.empty) {
      spdlog::error(
          "archive: records were lost: Kafka deleted offsets {} to {} of {} before they were "
          "archived; raise the topic's retention",
          read_next_, low - 1, to_string(key_));
    }
    if (Status status = seal(); !status) return status.error();
    read_next_ = low;
    // A growing file that must wait is kept, and spans the deleted offsets.
    if (!growing_) first_ = low;
  }
  parked_.reset();
  parked_backoff_.reset();
  if (read_next_ <= high) return read_next_;
  // Files of a topic that was deleted: they are published before the new one is read.
  parked_ = Error{ErrorCode::kRetryable,
                  fmt::format("Kafka has only {} offsets of it: what was read before is published "
                              "first",
                              high)};
  if (Status status = seal(); !status) return status.error();
  return high;
}

void PartitionArchive::park(const Error& reason, int64_t now_ns) {
  if (!parked_ || parked_->message != reason.message) {
    spdlog::error("archive: {} is parked, trying again; other partitions go on: {}",
                  to_string(key_), reason.message);
  }
  parked_ = reason;
  parked_retry_ns_ = now_ns + parked_backoff_.next();
}

Status PartitionArchive::add(const kafka::ReadRecord& record, Hour hour, int64_t now_ns,
                             LineWriter& line) {
  if (parked_) return ok();
  if (record.offset >= stop_at_) {
    read_to(stop_at_, now_ns);  // Else a topic that always grows would never be read to it.
    return ok();
  }
  if (growing_ && hour > growing_->hour()) {
    if (Status status = seal(); !status) return status;
  }
  if (!growing_) {
    Result<SpoolFile> file = SpoolFile::open(site_.spool, first_, hour, now_ns);
    if (!file) return file.error();
    growing_ = *std::move(file);
  }
  line.append(record, growing_->lines());
  Status status = growing_->added(kafka::mark_of(record), now_ns);
  read_next_ = record.offset + 1;
  if (!status) drop_growing();
  return status;
}

void PartitionArchive::read_to(int64_t next, int64_t now_ns) {
  next = std::min(next, stop_at_);
  if (parked_ || next <= read_next_) return;
  read_next_ = next;
  if (growing_) {
    growing_->extend(next - 1);
  } else if (trailing_ns_ == 0) {
    trailing_ns_ = now_ns;
  }
}

// Records that its spool did not take are read again.
void PartitionArchive::drop_growing() {
  growing_.reset();
  read_next_ = first_;
}

// Nor may anything of them be committed.
void PartitionArchive::drop_files() {
  growing_.reset();
  sealed_.reset();
  read_next_ = first_ = chain_next_;
}

Status PartitionArchive::seal() {
  if (!sealable()) return ok();
  if (Status status = growing_->seal(); !status) {
    drop_growing();
    return status;
  }
  sealed_ = std::make_shared<const SpoolFile>(*std::move(growing_));
  growing_.reset();
  first_ = sealed_->last() + 1;
  trailing_ns_ = 0;
  retry_ns_ = 0;
  backoff_.reset();
  return ok();
}

Status PartitionArchive::seal_trailing(Hour hour, int64_t now_ns, int64_t age_ns) {
  if (files() > 0 || parked_ || read_next_ <= first_) return ok();
  if (trailing_ns_ == 0) trailing_ns_ = now_ns;
  if (now_ns - trailing_ns_ < age_ns) return ok();
  SpoolOptions plain = site_.spool;
  plain.codec = Codec::kNone;  // Not every reader takes a compressed file of 0 bytes.
  Result<SpoolFile> file = SpoolFile::open(plain, first_, hour, now_ns);
  if (!file) return file.error();
  growing_ = *std::move(file);
  growing_->extend(read_next_ - 1);
  return seal();
}

}  // namespace longshore::archive
