#include "agent/tail/zero_search.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "config/limits.h"
#include "config/read_at.h"

namespace longshore::agent {
namespace {

// The first offset from `offset` on that may hold data: `offset` itself, or the end of a hole.
Result<uint64_t> hole_end(int fd, uint64_t offset) {
  // The size is read first, because bytes that are appended meanwhile are no hole.
  const auto facts = checkpoint::file_facts(fd);
  if (!facts) return facts.error();
  const off_t data = ::lseek(fd, static_cast<off_t>(offset), SEEK_DATA);
  if (data >= 0) return std::max(offset, static_cast<uint64_t>(data));
  return errno == ENXIO ? std::max(offset, facts->size_bytes) : offset;
}

}  // namespace

void ZeroSearch::take(char byte) {
  if (byte != '\0') {
    done_ = end_ - begin_ >= limits::kZerosMin;
    if (done_) return;
    begin_ = end_ + 1;
  }
  ++end_;
}

Status ZeroSearch::look_on(int fd) {
  std::string piece(limits::kSearchStepBytes, '\0');
  for (int step = 0; step < limits::kSearchStepsMax && !done_; ++step) {
    if (begin_ >= limit_) {
      end_ = begin_;
      done_ = true;
      return ok();
    }
    const ReadBytes read = read_at(fd, end_, piece.data(), piece.size());
    if (!read.status && read.bytes == 0) return read.status.error();
    for (size_t i = 0; i < read.bytes && !done_; ++i) take(piece[i]);
    if (read.bytes == 0) done_ = true;
    // After a whole step of zeros a hole is likely.
    if (done_ || end_ - begin_ < limits::kSearchStepBytes) continue;
    const auto data = hole_end(fd, end_);
    if (!data) return data.error();
    end_ = data.value();
  }
  if (done_ && begin_ >= limit_) end_ = begin_;
  return ok();
}

}  // namespace longshore::agent
