// Which offsets may be committed while bulks end in any order: those of the bulks before which
// every bulk has ended.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>

#include "integrations/search/bulk.h"

namespace longshore::search {

/// Thread: one.
class OpenBulks {
 public:
  /// Bulks are opened in the order of their records.
  void open(std::shared_ptr<Bulk> bulk) { bulks_.push_back({std::move(bulk), false}); }

  /// Each of its items has its final answer. Others than the opened ones are ignored.
  void end(const Bulk& bulk);

  /// Moves to `offsets` what may be committed since the last call.
  void take_ended(std::map<PartitionKey, int64_t>& offsets);

  /// Nobody waits for the open ones any more: they are cancelled.
  void cancel_all();

  bool empty() const { return bulks_.empty(); }

 private:
  struct Entry {
    std::shared_ptr<Bulk> bulk;
    bool ended;
  };
  std::deque<Entry> bulks_;
};

}  // namespace longshore::search
