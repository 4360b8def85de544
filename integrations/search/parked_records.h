// Where partitions are parked. What lies behind a parked record is read again together with it, so
// putting it aside now would put it aside at each new attempt.
//
//   offsets of a partition:  10 stored   11 parked   12 rejected   13 stored
//                                        |
//                                        +-- all from here on is read again: 12 is held back
#pragma once

#include <cstdint>
#include <map>
#include <mutex>

#include "integrations/search/bulk.h"

namespace longshore::search {

/// Thread: any.
class ParkedRecords {
 public:
  /// A parked partition is read again. Its first record is at `offset`, in the bulk of this number;
  /// bulks before that one hold records of the reading before.
  void read_again(const kafka::PartitionKey& partition, int64_t offset, uint64_t bulk);

  /// Whether an earlier bulk, in which a parked record is tried again, decides what counts of this
  /// one. Ask again once that one is settled.
  bool must_wait(const Bulk& bulk) const;

  /// Tells `bulk` which of its items are read again, and moves their rejections to `bulk.parked`.
  void hold_back(Bulk& bulk) const;

  /// Notes what the bulk parked, for those behind it, and holds back what lies behind that.
  void settle(Bulk& bulk);

  /// The partitions were reassigned.
  void clear();

 private:
  struct Parked {
    uint64_t bulk = 0;  // In which it was read again last; 0: never.
    int64_t again_from = 0;
    bool undecided = false;           // That bulk is not settled.
    int64_t held_from = Bulk::kOpen;  // A record that is parked since.
  };

  void hold_back_locked(Bulk& bulk) const;

  mutable std::mutex mutex_;
  std::map<kafka::PartitionKey, Parked> partitions_;
};

}  // namespace longshore::search
