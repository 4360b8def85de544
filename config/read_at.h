// Positioned reads of a file that is already open. A signal does not end one early.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "config/result.h"

namespace longshore {

struct ReadBytes {
  size_t bytes = 0;      ///< Read before the end of the file, or before the error.
  Status status = ok();  ///< kRetryable: reading on at offset + bytes failed.
};

/// Fills `into` from `offset` on with up to `bytes` bytes; fewer at the end of the file.
ReadBytes read_at(int fd, uint64_t offset, char* into, size_t bytes);

/// The same as a string. Errors: kRetryable, also when only a part was read.
Result<std::string> read_at(int fd, uint64_t offset, size_t bytes);

}  // namespace longshore
