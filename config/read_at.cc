#include "config/read_at.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace longshore {

ReadBytes read_at(int fd, uint64_t offset, char* into, size_t bytes) {
  ReadBytes read;
  while (read.bytes < bytes) {
    const ssize_t got =
        ::pread(fd, into + read.bytes, bytes - read.bytes, static_cast<off_t>(offset + read.bytes));
    if (got > 0) {
      read.bytes += static_cast<size_t>(got);
    } else if (got == 0) {
      break;
    } else if (errno != EINTR) {
      read.status =
          Error{ErrorCode::kRetryable, "read at offset " + std::to_string(offset + read.bytes) +
                                           ": " + std::strerror(errno)};
      break;
    }
  }
  return read;
}

Result<std::string> read_at(int fd, uint64_t offset, size_t bytes) {
  std::string text(bytes, '\0');
  const ReadBytes read = read_at(fd, offset, text.data(), bytes);
  if (!read.status) return read.status.error();
  text.resize(read.bytes);
  return text;
}

}  // namespace longshore
