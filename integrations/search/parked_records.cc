#include "integrations/search/parked_records.h"

#include <fmt/format.h>

#include <algorithm>

namespace longshore::search {

void ParkedRecords::read_again(const kafka::PartitionKey& partition, int64_t offset,
                               uint64_t bulk) {
  const std::lock_guard lock(mutex_);
  partitions_[partition] = {bulk, offset, true, Bulk::kOpen};
}

bool ParkedRecords::must_wait(const Bulk& bulk) const {
  const std::lock_guard lock(mutex_);
  return std::ranges::any_of(partitions_, [&bulk](const auto& entry) {
    const auto& [partition, parked] = entry;
    return parked.undecided && parked.bulk < bulk.number && bulk.next_offsets().contains(partition);
  });
}

void ParkedRecords::hold_back(Bulk& bulk) const {
  const std::lock_guard lock(mutex_);
  hold_back_locked(bulk);
}

void ParkedRecords::hold_back_locked(Bulk& bulk) const {
  for (const auto& [partition, parked] : partitions_)
    bulk.hold_behind(partition, bulk.number < parked.bulk ? parked.again_from : parked.held_from);
  for (const Rejection& one : bulk.parked)
    bulk.hold_behind(bulk.partition_of(bulk.items[one.item]), bulk.items[one.item].offset);
  std::erase_if(bulk.rejections, [&bulk](const Rejection& one) {
    if (!bulk.is_held(bulk.items[one.item])) return false;
    bulk.parked.push_back({one.item, one.status, "it lies behind a record that is parked"});
    return true;
  });
}

void ParkedRecords::settle(Bulk& bulk) {
  const std::lock_guard lock(mutex_);
  hold_back_locked(bulk);
  if (bulk.cancelled) return;
  for (auto& [partition, parked] : partitions_)
    parked.undecided = parked.undecided && parked.bulk != bulk.number;
  for (const Rejection& one : bulk.parked) {
    const BulkItem& item = bulk.items[one.item];
    Parked& parked = partitions_[bulk.partition_of(item)];
    if (bulk.number >= parked.bulk) parked.held_from = std::min(parked.held_from, item.offset);
  }
}

void ParkedRecords::clear() {
  const std::lock_guard lock(mutex_);
  partitions_.clear();
}

}  // namespace longshore::search
