#include "integrations/archive/partition_archive.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <cassert>
#include <utility>

#include "config/limits.h"

namespace longshore::archive {

PartitionArchive::PartitionArchive(const SpoolOptions& spool, Chain chain)
    : spool_(spool),
      chain_(std::move(chain)),
      backoff_(limits::kPublishRetryFirstNs, limits::kPublishRetryLastNs) {}

Status PartitionArchive::take_on(kafka::AssignedPartition& assigned, const ChainEnd& end) {
  if (end.next > assigned.high) {
    return Error{ErrorCode::kRetryable,
                 fmt::format("{} ends at offset {}, before the end of the archive at {}: if the "
                             "topic was recreated, archive it elsewhere (--to)",
                             to_string(assigned.key), assigned.high, end.next)};
  }
  if (chain_next_ != end.next || files() == 0) {
    drop_files();
    chain_next_ = first_ = read_next_ = end.next;
  }
  if (read_next_ < assigned.low) {
    if (!end.empty) {
      spdlog::error(
          "archive: records were lost: Kafka deleted offsets {} to {} of {} before they were "
          "archived; raise the topic's retention",
          read_next_, assigned.low - 1, to_string(assigned.key));
    }
    if (Status status = seal(); !status) return status;
    read_next_ = assigned.low;
    // A growing file that must wait is kept, and spans the deleted offsets.
    if (!growing_) first_ = assigned.low;
  }
  assigned.start = read_next_;
  return ok();
}

Status PartitionArchive::add(const kafka::ReadRecord& record, Hour hour, int64_t now_ns,
                             LineWriter& line) {
  if (growing_ && hour > growing_->hour()) {
    if (Status status = seal(); !status) return status;
  }
  if (!growing_) {
    Result<SpoolFile> file = SpoolFile::open(spool_, first_, hour, now_ns);
    if (!file) return file.error();
    growing_ = *std::move(file);
  }
  line.append(record, growing_->lines());
  Status status = growing_->added(record.offset);
  read_next_ = record.offset + 1;
  if (!status) drop_growing();
  return status;
}

// Records that its spool did not take are read again.
void PartitionArchive::drop_growing() {
  growing_.reset();
  read_next_ = first_;
}

void PartitionArchive::drop_files() {
  growing_.reset();
  sealed_.reset();
}

Status PartitionArchive::seal() {
  if (!sealable()) return ok();
  if (Status status = growing_->seal(); !status) {
    drop_growing();
    return status;
  }
  sealed_ = std::exchange(growing_, std::nullopt);
  first_ = sealed_->last() + 1;
  retry_ns_ = 0;
  backoff_.reset();
  return ok();
}

Result<std::optional<SealedFile>> PartitionArchive::publish(int64_t now_ns) {
  assert(sealed_);
  const SealedFile file = sealed_->sealed();
  Result<int64_t> next = chain_.publish(file, chain_next_);
  if (!next) {
    retry_ns_ = now_ns + backoff_.next();
    return next.error();
  }
  if (*next != file.last + 1) {
    chain_next_ = *next;
    drop_files();
    return std::optional<SealedFile>();
  }
  chain_next_ = *next;
  sealed_.reset();
  return std::optional(file);
}

}  // namespace longshore::archive
