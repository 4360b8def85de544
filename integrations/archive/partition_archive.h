// One partition on its way into the archive: a file that grows, one that is complete, and the chain
// that it is published to.
//
//   add() --> growing file --seal()--> sealed file --publish()--> a worker --> Chain
//
// While a sealed file is not published the next one may grow, but not be sealed. What asks the
// archive or Kafka is done by a worker, one job at a time; its result is taken when it is there.
//
// A partition that fails is parked: it takes no records, the reason is logged, and a worker tries
// again after a while. All others go on.
#pragma once

#include <chrono>
#include <cstdint>
#include <future>
#include <limits>
#include <memory>
#include <optional>
#include <string>

#include "config/backoff.h"
#include "integrations/archive/archive_line.h"
#include "integrations/archive/partition_jobs.h"
#include "integrations/archive/workers.h"
#include "integrations/kafka/group_reader.h"

namespace longshore::archive {

/// Thread: one.
class PartitionArchive {
 public:
  PartitionArchive(const Site& site, kafka::PartitionKey key);

  /// Begins a job of settle_partition(). A partition that has files keeps its chain, and its topic
  /// is checked when they are published. REQUIRES: !is_busy().
  void settle(Workers& workers, int64_t leftovers_before_ms);
  /// Begins to publish the sealed file. REQUIRES: is_sealed(), !is_busy().
  void publish(Workers& workers);
  bool is_busy() const { return settling_.valid() || publishing_.valid(); }
  /// Waits up to that long for the job to end.
  void wait(std::chrono::milliseconds timeout) const;
  /// The result of a job that has ended; none: nullopt.
  std::optional<Result<Settled>> take_settled();
  /// The same; what follows for the files is done. Errors: is_publish_due() again later.
  std::optional<Result<Published>> take_published(int64_t now_ns);

  /// The partition is ours: keeps the files that still continue the chain, drops others, and
  /// returns where to read. Errors: as SpoolFile's.
  Result<int64_t> take_on(const Settled& settled);
  /// Takes no records until take_on().
  void park(const Error& reason, int64_t now_ns);
  const std::optional<Error>& parked() const { return parked_; }
  bool is_retry_due(int64_t now_ns) const {
    return parked_ && files() == 0 && !is_busy() && parked_retry_ns_ <= now_ns;
  }

  /// Takes no record from this offset on.
  void stop_at(int64_t offset) { stop_at_ = offset; }
  /// Whether everything before stop_at() was taken.
  bool reached() const { return read_next_ >= stop_at_; }

  /// Appends the record. Errors, after which it is read again: as SpoolFile's.
  Status add(const kafka::ReadRecord& record, Hour hour, int64_t now_ns, LineWriter& line);
  /// Everything before `next` that may be read was added: the growing file spans it.
  void read_to(int64_t next, int64_t now_ns);

  /// The growing file is complete from now on; does nothing if it must wait. Errors: as
  /// SpoolFile's.
  Status seal();
  /// Offsets without a record after the last file become an empty file, `age_ns` after they were
  /// seen: retention may delete them, and nobody could tell that they held no record.
  Status seal_trailing(Hour hour, int64_t now_ns, int64_t age_ns);
  bool is_publish_due(int64_t now_ns) const { return sealed_ && !is_busy() && retry_ns_ <= now_ns; }

  bool is_sealed() const { return sealed_ != nullptr; }
  /// Whether the sealed file was refused at least once.
  bool is_refused() const { return sealed_ && retry_ns_ > 0; }
  /// The growing file; none: nullptr.
  const SpoolFile* growing() const { return growing_ ? &*growing_ : nullptr; }
  /// The growing file if seal() would seal it.
  const SpoolFile* sealable() const { return sealed_ ? nullptr : growing(); }
  size_t files() const { return (growing_ ? 1u : 0u) + (sealed_ ? 1u : 0u); }
  /// All before it is archived, or no record.
  int64_t done_next() const { return files() == 0 ? read_next_ : chain_next_; }
  const kafka::PartitionKey& key() const { return key_; }

 private:
  void drop_files();
  void drop_growing();

  const Site& site_;
  const kafka::PartitionKey key_;
  std::shared_ptr<Chain> chain_;
  int32_t generation_ = 0;
  kafka::RecordMark mark_;  // Of a record in the chain.
  int64_t chain_next_ = 0;
  int64_t first_ = 0;        // Where the growing file begins, or the next one will.
  int64_t read_next_ = 0;    // The offset to read next.
  int64_t trailing_ns_ = 0;  // When offsets without a file after first_ were seen.
  int64_t stop_at_ = std::numeric_limits<int64_t>::max();
  std::optional<SpoolFile> growing_;
  std::shared_ptr<const SpoolFile> sealed_;  // A worker may read it.
  std::future<Result<Settled>> settling_;
  std::future<Result<Published>> publishing_;
  Backoff backoff_, parked_backoff_;
  int64_t retry_ns_ = 0;  // When to publish; 0: not tried yet.
  std::optional<Error> parked_;
  int64_t parked_retry_ns_ = 0;
};

}  // namespace longshore::archive
