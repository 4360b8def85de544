// How many bytes a tail reads at once. The part of a window that did not fit the chunk is read
// again, so the window is kept only slightly larger than a chunk consumes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "config/limits.h"

namespace longshore::agent {

/// Thread: none of its own; a value.
class ReadWindow {
 public:
  size_t bytes() const { return bytes_; }
  bool at_max() const { return bytes_ >= limits::kReadBytesMax; }

  /// The window, but not much larger than what a file of `size_bytes` holds after `offset`.
  size_t bytes_of(uint64_t size_bytes, uint64_t offset) const {
    const uint64_t ahead = size_bytes > offset ? size_bytes - offset : 0;
    return std::min<uint64_t>(bytes_, ahead + limits::kReadSlackBytes);
  }

  /// A line does not fit.
  void widen() { bytes_ = std::min(bytes_ * 2, limits::kReadBytesMax); }

  /// A chunk consumed `consumed` of a window's bytes.
  void follow(size_t window_bytes, size_t consumed) {
    const size_t left = window_bytes - consumed;
    if (left > consumed / 4) {
      bytes_ = std::max(consumed + consumed / 8, limits::kReadBytesMin);
    } else if (left < consumed / 16) {
      bytes_ = std::max(bytes_, std::min(bytes_ * 2, limits::kReadBytesUsual));
    }
  }

 private:
  size_t bytes_ = limits::kReadBytesUsual;
};

}  // namespace longshore::agent
