// Settles bulks on one thread of the pool: in the index, or in the dead-letter topic.
#pragma once

#include <string>

#include "config/result.h"
#include "integrations/kafka/complaints.h"
#include "integrations/search/bulk_pool.h"
#include "integrations/search/bulk_sender.h"
#include "integrations/search/parked_records.h"
#include "integrations/search/refusal_gate.h"
#include "integrations/search/rejected_records.h"
#include "integrations/search/search_node.h"
#include "integrations/search/tally.h"

namespace longshore::search {

/// Shared by all workers; outlives them.
struct BulkShared {
  BulkPool& pool;
  Tally& tally;
  Learned& learned;
  kafka::Complaints& complaints;
  RefusalGate& gate;
  ParkedRecords& parked;
  RejectedRecords* rejected = nullptr;  ///< None: a rejected record is an error.
};

/// Thread: one.
class BulkWorker {
 public:
  BulkWorker(const SearchOptions& search, const BulkShared& shared);

  /// Errors: kRetryable: cancelled before all was settled; kFatal: a record can be put nowhere.
  Status settle(Bulk& bulk);

 private:
  const BulkShared shared_;
  SearchNode node_;
  BulkSender sender_;
};

/// Starts `shared.pool` with this many workers.
void start_workers(size_t workers, const SearchOptions& search, const BulkShared& shared);

}  // namespace longshore::search
