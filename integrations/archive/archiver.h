// Carries the records of the partitions that a group gives this member into the archive.
//
//   GroupReader --records--> a SpoolFile for each partition --full, old or of the next hour-->
//       Chain::publish() --> the offset is committed, for those who watch the group's lag
//
// Where a partition goes on is what its chain says, never the committed offset. Files that grow are
// kept when the group shares out anew, and go on where they were if the partition comes back and
// nobody else carried it on meanwhile.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/clock.h"
#include "integrations/archive/archive_line.h"
#include "integrations/archive/chain.h"
#include "integrations/archive/spool_file.h"
#include "integrations/kafka/group_reader.h"

namespace longshore::archive {

struct ArchiverOptions {
  SpoolOptions spool;
  Layout layout;
  int64_t roll_bytes = 128 << 20;
  int64_t roll_ns = int64_t{600} * 1'000'000'000;
  size_t open_files = 64;  ///< At most this many grow, give or take those of one poll().
  int64_t leftover_ms = int64_t{24} * 3'600'000;
};

/// Since the start.
struct ArchiverCounts {
  uint64_t records = 0, bytes = 0;     ///< Taken from Kafka.
  uint64_t files = 0, file_bytes = 0;  ///< Published.
  uint64_t refused = 0;                ///< Attempts to publish that failed and are made again.
};

/// Thread: one.
class Archiver final : public kafka::GroupListener {
 public:
  Archiver(ArchiverOptions options, ArchiveTarget& target, const Clock& clock,
           const std::atomic<bool>& stopping);

  /// Polls, rolls and publishes once. Errors, after which `reader` must be made anew: as those of
  /// GroupReader::poll(), kRetryable (a file was overtaken, or the spool failed).
  Status turn(kafka::GroupReader& reader);

  /// Every file that grows is complete from now on.
  Status seal_all();
  /// Publishes what is sealed, each once.
  void publish_sealed(kafka::GroupReader& reader);
  /// Whether all that was read is in the archive.
  bool idle() const;

  const ArchiverCounts& counts() const { return counts_; }
  size_t open_files() const;

  Status assigned(std::vector<kafka::AssignedPartition>& partitions) override;
  void revoked() override {}
  void lost() override {}
  void record(const kafka::ReadRecord& record) override;
  bool enough() const override { return enough_; }

 private:
  struct Partition {
    explicit Partition(Chain begun) : chain(std::move(begun)) {}

    Chain chain;
    int64_t chain_next = 0;  // Where the chain ends,
    int64_t first = 0;       // where the next file begins,
    int64_t read_next = 0;   // and what is read next.
    std::optional<SpoolFile> open, sealed;
    int64_t retry_ns = 0, retry_wait_ns = 0;
  };
  using Key = std::pair<std::string, int32_t>;

  Result<ChainEnd> settle(Partition& partition);
  Status take_on(kafka::AssignedPartition& assigned, Partition& partition);
  Status seal(Partition& partition);
  static void drop_open(Partition& partition);
  Status roll_due();
  void publish(const Key& key, Partition& partition, kafka::GroupReader& reader);
  void refuse(const Key& key, Partition& partition, const Error& error);
  Status throttle(kafka::GroupReader& reader);
  Partition* find(const kafka::ReadRecord& record);

  const ArchiverOptions options_;
  ArchiveTarget& target_;
  const Clock& clock_;
  const std::atomic<bool>& stopping_;
  LineWriter line_;
  std::map<Key, Partition> partitions_;
  std::map<Key, Partition>::iterator last_;  // Records come in runs of one partition.
  bool enough_ = false;
  Status failed_ = ok();
  int64_t said_ns_ = 0;
  ArchiverCounts counts_;
};

}  // namespace longshore::archive
