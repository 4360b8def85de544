// What becomes of records that the search service rejects for good.
#pragma once

#include <functional>
#include <string>

#include "config/result.h"
#include "integrations/search/bulk.h"

namespace longshore::search {

/// Thread: any.
class RejectedRecords {
 public:
  virtual ~RejectedRecords() = default;

  /// For the log: "12 records were rejected and ...".
  virtual std::string fate() const = 0;

  /// Returns when all rejections of `bulk` are settled: what lies before and behind them may be
  /// committed. Errors: kRetryable: `give_up` returned true; kFatal: they can be put nowhere.
  virtual Status send(const Bulk& bulk, const std::function<bool()>& give_up) = 0;
};

}  // namespace longshore::search
