#include "agent/tail/proof.h"

#include <algorithm>
#include <string>
#include <utility>

#include "config/limits.h"
#include "config/read_at.h"

namespace longshore::agent {

Result<Proof> prove(int fd, const Cursor& cursor, uint64_t offset, uint64_t proven) {
  checkpoint::MarkList marks = cursor.marks();
  const uint64_t kept = std::min(offset, proven);
  while (!marks.marks.empty() && marks.marks.back().end > kept) marks.marks.pop_back();
  if (kept < limits::kHeadBytes) marks.head = 0;
  if (marks.end() > offset || offset - marks.end() > limits::kReadBytesMax) marks = {offset, {}};
  const uint64_t from = marks.end();
  const auto rest = read_at(fd, from, offset - from);
  if (!rest) return rest.error();
  if (rest.value().size() < offset - from) {
    return Error{ErrorCode::kRetryable, "the file changes while it is compared"};
  }
  checkpoint::Marker marker(std::move(marks));
  marker.add(rest.value());
  const size_t overlap = std::min<uint64_t>(offset, limits::kOverlapBytes);
  auto before = read_at(fd, offset - overlap, overlap);
  if (!before) return before.error();
  // A span ends here, so that the next time the bytes up to here are compared by themselves.
  return Proof{std::move(before).value(), checkpoint::Marker(marker.list())};
}

}  // namespace longshore::agent
