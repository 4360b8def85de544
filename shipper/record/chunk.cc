#include "shipper/record/chunk.h"

#include <algorithm>

namespace longshore::shipper {

void Buffer::reserve(size_t capacity) {
  if (capacity <= capacity_) return;
  const size_t grown = std::max(capacity, capacity_ * 2);
  auto bytes = std::make_unique_for_overwrite<char[]>(grown);
  std::copy_n(bytes_.get(), size_, bytes.get());
  bytes_ = std::move(bytes);
  capacity_ = grown;
}

}  // namespace longshore::shipper
