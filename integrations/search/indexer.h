// Turns records into documents and keeps track of which are done.
//
//   Pump --record()--> RecordWriter --> Bulk --> BulkPool: BulkWorker
//     ^                                             |
//     +-- take_done() -- OpenBulks <-- each item has its final answer
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "config/clock.h"
#include "integrations/kafka/outlet.h"
#include "integrations/search/bulk_pool.h"
#include "integrations/search/document.h"
#include "integrations/search/index_report.h"
#include "integrations/search/index_settings.h"
#include "integrations/search/open_bulks.h"
#include "integrations/search/parked_records.h"

namespace longshore::search {

/// Thread: the pump's. Memory: in_flight + 2 bulks.
class Indexer final : public kafka::Outlet {
 public:
  /// References must outlive it.
  Indexer(const IndexSettings& settings, const Clock& clock, const Tally& tally,
          RecordWriter& writer, BulkPool& pool, ParkedRecords& parked_records);

  Status assigned(std::vector<kafka::AssignedPartition>& partitions) override;
  void revoked() override;
  void discard() override;
  void record(const kafka::ReadRecord& record) override;
  Status work(int wait_ms) override;
  bool full() const override { return pool_.outstanding() > settings_.in_flight; }
  bool idle() const override { return open_.empty() && filling_->empty(); }
  void take_done(kafka::Offsets& offsets) override { open_.take_ended(offsets); }
  void take_parked(std::vector<kafka::Parking>& parked) override;
  std::string report(const kafka::Standing& standing) override;

 private:
  std::shared_ptr<Bulk> next_bulk();
  void seal();
  bool is_seal_due() const;
  void collect(int wait_ms);
  void park(const Bulk& bulk);

  const IndexSettings& settings_;
  const Clock& clock_;
  RecordWriter& writer_;
  BulkPool& pool_;
  ParkedRecords& parked_records_;
  IndexReport report_;
  uint64_t bulks_ = 0;
  bool told_expired_ = false;
  std::shared_ptr<Bulk> filling_;
  int64_t filling_since_ns_ = 0;
  OpenBulks open_;
  std::vector<kafka::Parking> parked_;     // Since take_parked().
  std::set<kafka::PartitionKey> rewound_;  // Parked: the next record is where it is read again.
  Status failed_ = ok();                   // The first error of the pool that ends the process.
};

}  // namespace longshore::search
