// Carries the records of a group's partitions into the archive.
//
//   Pump --record()--> PartitionArchive --full, old or of the next hour--> published
//     ^                                                                        |
//     +---- take_done(): committed, so that the group's lag can be watched ----+
//
// A partition starts where its chain in the archive ends, never at the committed offset. When
// the group reassigns partitions, the files that grow are kept: they go on growing if the partition
// comes back and no other member archived more of it.
//
// The archive is asked by workers, so that one that hangs neither holds up the group nor other
// partitions. A partition that fails, or whose chain is not known yet, is parked alone
// (partition_archive.h); when it can go on, the pump reads it from where its chain ends.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "config/clock.h"
#include "integrations/archive/archive_line.h"
#include "integrations/archive/partition_archive.h"
#include "integrations/kafka/complaints.h"
#include "integrations/kafka/metrics_file.h"
#include "integrations/kafka/outlet.h"
#include "integrations/kafka/stop_signals.h"

namespace longshore::archive {

struct ArchiverOptions {
  SpoolOptions spool;
  Layout layout;
  int64_t roll_bytes = 128 << 20;
  int64_t roll_ns = int64_t{600} * 1'000'000'000;
  size_t open_files = 64;  ///< At most this many grow, plus those of one poll().
  int64_t leftover_ms = int64_t{24} * 3'600'000;
  std::string metrics_file = {};  ///< For Prometheus; empty: none.
  bool once = false;  ///< Takes nothing beyond the ends that the partitions have at first.
};

/// Since the start.
struct ArchiverCounts {
  uint64_t records = 0, bytes = 0;     ///< Taken from Kafka.
  uint64_t files = 0, file_bytes = 0;  ///< Published.
  uint64_t refused = 0;                ///< Attempts to publish that failed and are made again.
  bool operator==(const ArchiverCounts&) const = default;
};

/// Thread: the pump's.
class Archiver final : public kafka::Outlet {
 public:
  /// References must outlive it. `target` is used by several threads at a time.
  Archiver(ArchiverOptions options, ArchiveTarget& target, kafka::RecordProbe& probe,
           const Clock& clock, kafka::Stopping stopping, kafka::Complaints& complaints);

  /// Whether all that it was to take is in the archive, but for parked partitions that waiting does
  /// not cure. Only with `once`.
  bool finished() const;
  /// One sentence for each partition that is parked.
  std::vector<std::string> parked() const;
  /// The same, and for each of which the next record cannot be read. Only with `once`.
  std::vector<std::string> left_out() const;

  Status assigned(std::vector<kafka::AssignedPartition>& partitions) override;
  void discard() override { ours_ = false; }
  void record(const kafka::ReadRecord& record) override;
  void read_to(const kafka::PartitionKey& partition, int64_t next) override;
  void unreadable(const kafka::PartitionKey& partition, int tries,
                  const std::string& reason) override;
  bool enough() const override { return enough_; }
  /// Seals the files that are due and has them published. Errors: kRetryable (another member
  /// archived more of a partition, or a topic was made anew), and those of SpoolFile.
  Status work(int wait_ms) override;
  /// Seals all files and publishes those that can be, each once. Waits for that.
  Status flush() override;
  bool holds_back(const kafka::PartitionKey& partition) const override;
  bool idle() const override;
  void take_done(kafka::Offsets& offsets) override;
  /// Partitions that go on: the pump begins again at their offsets.
  void take_parked(std::vector<kafka::Parking>& parked) override;
  std::string report(const kafka::Standing& standing) override;

 private:
  using Partitions = std::map<kafka::PartitionKey, PartitionArchive>;

  void settle_all(std::map<kafka::PartitionKey, Result<Settled>>& settled);
  void settle(PartitionArchive& partition);
  Status seal_due();
  void begin_due();
  void collect(PartitionArchive& partition);
  void collect_published(PartitionArchive& partition);
  void resume(PartitionArchive& partition, const Settled& settled);
  void take(PartitionArchive& partition, const Published& published);
  size_t files() const;
  void write_metrics(const kafka::Standing& standing);
  /// Nothing more is to be read of it.
  bool is_last(const PartitionArchive& partition) const;
  PartitionArchive* find(const kafka::ReadRecord& record);

  const ArchiverOptions options_;
  const Site site_;
  const Clock& clock_;
  const kafka::Stopping stopping_;
  kafka::Complaints& complaints_;
  LineWriter line_;
  Partitions partitions_;
  Partitions::iterator last_;  // Records come in runs of one partition.
  bool ours_ = false;          // The group has assigned partitions_ to us.
  bool crowded_ = false;       // Too many files after the last work().
  bool enough_ = false;
  Status failed_ = ok();                                   // Ends this membership.
  std::map<kafka::PartitionKey, std::string> unreadable_;  // With `once`: why.
  kafka::Offsets ends_;                                    // With `once`: where to stop.
  kafka::Offsets done_;                                    // What take_done() told last.
  std::vector<kafka::Parking> resumed_;  // Were parked, and go on at another offset.
  ArchiverCounts counts_, reported_;
  kafka::MetricsFile metrics_;
  int64_t next_metrics_ns_ = 0;
  Workers workers_;  // Last: its tasks use the members above.
};

}  // namespace longshore::archive
