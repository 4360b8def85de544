// Where the processes that wrote to a log's files ended: what one of them left without a newline is
// no beginning of what the next one writes. Only the watch loop learns of ends in time, so they are
// not stored.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>

#include "checkpoint/file_identity.h"
#include "config/limits.h"

namespace longshore::agent {

/// Thread: its lane's.
class RunEnds {
 public:
  /// The oldest of many is forgotten.
  void add(const checkpoint::FileIdentity& file, uint64_t offset) {
    if (ends_.size() >= limits::kRunEndsMax) ends_.pop_front();
    ends_.push_back({file, offset});
  }
  /// The first one after `offset` of `file`; UINT64_MAX: none.
  uint64_t after(const checkpoint::FileIdentity& file, uint64_t offset) const {
    uint64_t first = UINT64_MAX;
    for (const End& end : ends_) {
      if (end.file == file && end.offset > offset) first = std::min(first, end.offset);
    }
    return first;
  }
  /// The content of `file` is another one.
  void forget(const checkpoint::FileIdentity& file) {
    std::erase_if(ends_, [&](const End& end) { return end.file == file; });
  }

 private:
  struct End {
    checkpoint::FileIdentity file;
    uint64_t offset;
  };
  std::deque<End> ends_;
};

}  // namespace longshore::agent
