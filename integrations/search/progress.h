// How indexing goes, for a person and for Prometheus.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "integrations/search/bulk.h"
#include "integrations/search/tally.h"

namespace longshore::search {

/// What the loop alone knows.
struct Standing {
  int64_t lag = 0;  ///< Records behind the last committed ones.
  size_t partitions = 0;
  size_t in_flight = 0;  ///< Bulks.
  uint64_t foreign = 0;
  bool waiting = false;  ///< Reading is paused until the service takes more.
};

/// Thread: one.
class Progress {
 public:
  Progress(const Tally& tally, int64_t period_s, std::string metrics_file)
      : tally_(tally), period_(period_s), metrics_file_(std::move(metrics_file)) {}

  /// The documents of `bulk` have their final answers now.
  void add(const Bulk& bulk, int64_t wall_ms);

  /// Whether a line is due.
  bool due() const;
  void report(const Standing& standing);

 private:
  std::string metrics(const Standing& standing) const;
  void write_metrics(const Standing& standing);

  using Clock = std::chrono::steady_clock;
  const Tally& tally_;
  const std::chrono::seconds period_;
  const std::string metrics_file_;
  Clock::time_point told_ = Clock::now();
  uint64_t told_documents_ = 0;
  // Since the last line.
  uint64_t documents_ = 0;
  double delay_sum_s_ = 0, delay_max_s_ = 0;
  double rate_ = 0;
  bool metrics_failed_ = false;
};

}  // namespace longshore::search
