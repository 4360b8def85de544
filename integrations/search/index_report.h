// Reports the progress of indexing: as a line for people, and as metrics for Prometheus.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "integrations/kafka/metrics_file.h"
#include "integrations/kafka/outlet.h"
#include "integrations/search/bulk.h"
#include "integrations/search/tally.h"

namespace longshore::search {

/// The state of indexing when a line is written.
struct IndexStanding {
  kafka::Standing pump;
  size_t in_flight = 0;  ///< Bulks.
  uint64_t foreign = 0, expired = 0;
};

/// Thread: one.
class IndexReport {
 public:
  IndexReport(const Tally& tally, std::string metrics_file)
      : tally_(tally), metrics_(std::move(metrics_file)) {}

  /// The documents of `bulk` have their final answers now.
  void add(const Bulk& bulk, int64_t wall_ms);

  /// The line of what happened since the last one. Writes the metrics too.
  std::string line(const IndexStanding& standing);

 private:
  void write_metrics(const IndexStanding& standing, double rate);

  const Tally& tally_;
  kafka::MetricsFile metrics_;
  uint64_t reported_documents_ = 0;
  // Since the last line.
  uint64_t documents_ = 0;
  double delay_sum_s_ = 0, delay_max_s_ = 0;
};

}  // namespace longshore::search
