#include "integrations/search/open_bulks.h"

#include <algorithm>

namespace longshore::search {

void OpenBulks::end(const Bulk& bulk) {
  const auto at = std::find_if(bulks_.begin(), bulks_.end(),
                               [&bulk](const Entry& entry) { return entry.bulk.get() == &bulk; });
  if (at != bulks_.end()) at->ended = true;
}

void OpenBulks::take_ended(kafka::Offsets& offsets) {
  for (; !bulks_.empty() && bulks_.front().ended; bulks_.pop_front()) {
    for (const auto& [partition, next] : bulks_.front().bulk->next_offsets())
      offsets[partition] = next;
  }
}

void OpenBulks::cancel_all() {
  for (Entry& entry : bulks_) entry.bulk->cancelled = true;
  bulks_.clear();
}

}  // namespace longshore::search
