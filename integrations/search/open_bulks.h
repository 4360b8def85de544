// Which offsets may be committed although bulks end in any order: those of a bulk that has ended,
// once every bulk before it has ended too.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>

#include "integrations/search/bulk.h"

namespace longshore::search {

/// Thread: one.
class OpenBulks {
 public:
  /// Bulks are opened in the order of their records.
  void open(std::shared_ptr<Bulk> bulk) { bulks_.push_back({std::move(bulk), false}); }

  /// Each of its items has its final answer. False: it is not open, and ignored.
  bool end(const Bulk& bulk);

  /// The partition is read again from `offset`, which lies in `bulk`: what comes after it does not
  /// count. False: an earlier bulk had said so already.
  bool park(const Bulk& bulk, const kafka::PartitionKey& partition, int64_t offset);

  /// Adds to `offsets` what may be committed since the last call.
  void take_ended(kafka::Offsets& offsets);

  /// Cancels the open ones and forgets them.
  void cancel_all();

  bool empty() const { return bulks_.empty(); }

 private:
  struct Entry {
    std::shared_ptr<Bulk> bulk;
    bool ended;
  };
  std::deque<Entry>::iterator find(const Bulk& bulk);

  std::deque<Entry> bulks_;
};

}  // namespace longshore::search
