#include "integrations/search/open_bulks.h"

#include <algorithm>

namespace longshore::search {

std::deque<OpenBulks::Entry>::iterator OpenBulks::find(const Bulk& bulk) {
  return std::find_if(bulks_.begin(), bulks_.end(),
                      [&bulk](const Entry& entry) { return entry.bulk.get() == &bulk; });
}

bool OpenBulks::end(const Bulk& bulk) {
  const auto at = find(bulk);
  if (at == bulks_.end()) return false;
  at->ended = true;
  return true;
}

bool OpenBulks::park(const Bulk& bulk, const kafka::PartitionKey& partition, int64_t offset) {
  auto at = find(bulk);
  const auto next = bulk.next_offsets().find(partition);
  if (at == bulks_.end() || next == bulk.next_offsets().end() || next->second == Bulk::kNothing)
    return false;
  at->bulk->hold(partition, offset);
  while (++at != bulks_.end()) at->bulk->hold(partition, Bulk::kNothing);
  return true;
}

void OpenBulks::take_ended(kafka::Offsets& offsets) {
  for (; !bulks_.empty() && bulks_.front().ended; bulks_.pop_front()) {
    for (const auto& [partition, next] : bulks_.front().bulk->next_offsets()) {
      if (next != Bulk::kNothing) offsets[partition] = next;
    }
  }
}

void OpenBulks::cancel_all() {
  for (Entry& entry : bulks_) entry.bulk->cancelled = true;
  bulks_.clear();
}

}  // namespace longshore::search
