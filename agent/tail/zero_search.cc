#include "agent/tail/zero_search.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

namespace longshore::agent {
namespace {

constexpr size_t kStepBytes = 64 << 10;
constexpr int kSteps = 16;
// A block that was never written reads as zeros, and so does the end of a size that outlived its
// bytes; a zero byte or two may be the application's.
constexpr uint64_t kZerosMin = 64;

// Where data may stand at or behind `offset`, which a hole begins at or not.
Result<uint64_t> behind_hole(int fd, uint64_t offset) {
  // The size of before: what is appended meanwhile is no hole.
  const auto facts = checkpoint::file_facts(fd);
  if (!facts) return facts.error();
  const off_t data = ::lseek(fd, static_cast<off_t>(offset), SEEK_DATA);
  if (data >= 0) return std::max(offset, static_cast<uint64_t>(data));
  return errno == ENXIO ? std::max(offset, facts->size_bytes) : offset;
}

}  // namespace

void ZeroSearch::take(char byte) {
  if (byte != '\0') {
    done_ = end_ - begin_ >= kZerosMin;
    if (done_) return;
    begin_ = end_ + 1;
  }
  ++end_;
}

Status ZeroSearch::look_on(int fd) {
  std::string piece(kStepBytes, '\0');
  for (int step = 0; step < kSteps && !done_; ++step) {
    if (begin_ >= limit_) {
      end_ = begin_;
      done_ = true;
      return ok();
    }
    ssize_t got = -1;
    do {
      got = ::pread(fd, piece.data(), piece.size(), static_cast<off_t>(end_));
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
      return Error{ErrorCode::kRetryable,
                   "read at offset " + std::to_string(end_) + ": " + std::strerror(errno)};
    }
    for (ssize_t i = 0; i < got && !done_; ++i) take(piece[static_cast<size_t>(i)]);
    if (got == 0) done_ = true;
    // Where a whole step was zeros, a hole is likely.
    if (done_ || end_ - begin_ < kStepBytes) continue;
    const auto data = behind_hole(fd, end_);
    if (!data) return data.error();
    end_ = data.value();
  }
  if (done_ && begin_ >= limit_) end_ = begin_;
  return ok();
}

}  // namespace longshore::agent
