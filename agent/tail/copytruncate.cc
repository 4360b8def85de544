#include "agent/tail/copytruncate.h"

#include <unistd.h>

#include <algorithm>

#include "checkpoint/file_identity.h"
#include "config/read_at.h"

namespace longshore::agent {

bool holds_what_was_read(const OpenFile& file, const Cursor& cursor) {
  if (file.compression != Compression::kNone) return false;
  const int fd = file.fd.get();
  const size_t overlap = cursor.overlap().size();
  const auto before = read_at(fd, cursor.offset() - overlap, overlap);
  if (!before || before.value() != cursor.overlap()) return false;
  const checkpoint::MarkList marks = cursor.marks();
  const auto proven = checkpoint::proven_prefix(fd, marks);
  return proven && proven.value() == marks.end();
}

namespace {

// Whether `a` and `b` have the same bytes in [begin, end), as far as a look at both ends tells.
bool are_alike(int a, int b, uint64_t begin, uint64_t end) {
  const uint64_t bytes = std::min(end - begin, limits::kCopyCompareBytes);
  for (const uint64_t at : {begin, end - bytes}) {
    const auto left = read_at(a, at, bytes), right = read_at(b, at, bytes);
    if (!left || !right || left.value().size() < bytes || left.value() != right.value()) {
      return false;
    }
  }
  return true;
}

}  // namespace

bool was_copied(const OpenFile& file, uint64_t size_bytes, const checkpoint::Beginning& read) {
  const int fd = file.fd.get();
  if (read.marks.marks.empty()) return false;
  if (size_bytes < read.marks.end()) return checkpoint::holds_beginning(fd, size_bytes, read);
  const auto proven = checkpoint::proven_prefix(fd, read.marks);
  return proven && *proven == read.marks.end();
}

bool was_copied(const OpenFile& file, uint64_t size_bytes,
                const std::vector<checkpoint::ClosedEnd>& ends) {
  const int fd = file.fd.get();
  return std::ranges::any_of(ends, [&](const checkpoint::ClosedEnd& end) {
    if (end.bytes == 0 || end.head == 0 || size_bytes < end.bytes) return false;
    const uint64_t overlap = std::min<uint64_t>(end.bytes, limits::kOverlapBytes);
    const auto tail = read_at(fd, end.bytes - overlap, overlap);
    if (!tail || tail->size() < overlap || checkpoint::content_hash(*tail) != end.tail)
      return false;
    const auto head = checkpoint::head_hash(fd, end.bytes);
    return head && *head == end.head;
  });
}

checkpoint::ClosedEnd content_of(const OpenFile& file, uint64_t size_bytes) {
  if (file.compression != Compression::kNone || size_bytes == 0) return {};
  const uint64_t overlap = std::min<uint64_t>(size_bytes, limits::kOverlapBytes);
  const auto tail = read_at(file.fd.get(), size_bytes - overlap, overlap);
  const auto head = checkpoint::head_hash(file.fd.get(), size_bytes);
  if (!tail || tail->size() < overlap || !head) return {};
  return {size_bytes, *head, checkpoint::content_hash(*tail)};
}

bool is_as_read(const OpenFile& file, const Cursor& cursor) {
  if (file.compression != Compression::kNone || cursor.offset() == 0) return true;
  const size_t overlap = cursor.overlap().size();
  const auto before = read_at(file.fd.get(), cursor.offset() - overlap, overlap);
  const auto facts = checkpoint::file_facts(file.fd.get());
  return before && *before == cursor.overlap() && facts && facts->size_bytes >= cursor.offset();
}

CopyVerdict judge_copy(const OpenFile& copy, uint64_t size_bytes, const OpenFile& log,
                       const Cursor& cursor) {
  const auto facts = checkpoint::file_facts(log.fd.get());
  const uint64_t log_bytes = facts ? facts->size_bytes : 0;
  const uint64_t common = std::min(size_bytes, log_bytes);
  const bool stands_there = common > 0 && are_alike(copy.fd.get(), log.fd.get(), 0, common);
  if (stands_there && size_bytes <= log_bytes) return CopyVerdict::kCopy;
  if (log.identity != cursor.file()) return CopyVerdict::kOther;
  const bool is_truncated = log_bytes < cursor.offset();
  const bool holds_all = size_bytes >= cursor.offset() && holds_what_was_read(copy, cursor);
  const bool is_part = is_truncated && size_bytes < cursor.offset();
  if (cursor.marks().marks.empty() || (!holds_all && !is_part)) return CopyVerdict::kOther;
  if (is_part && !was_copied(copy, size_bytes, cursor.beginning())) return CopyVerdict::kOther;
  // Was the log truncated since, or is this the greater one of the two?
  return stands_there && log_bytes >= cursor.offset() ? CopyVerdict::kGrownCopy
                                                      : CopyVerdict::kCopy;
}

bool is_grown_copy(const Generation& next, const Cursor& cursor) {
  return cursor.offset() > 0 && !cursor.marks().marks.empty() && !next.truncated &&
         holds_what_was_read(*next.file, cursor);
}

bool is_original(const Generation& next, const Cursor& cursor) {
  return cursor.offset() > 0 && !next.truncated &&
         next.file->identity.born_ns() <= cursor.file().born_ns() &&
         holds_what_was_read(*next.file, cursor);
}

void Copytruncate::answer(std::vector<std::shared_ptr<const OpenFile>> copies) {
  copies_ = std::move(copies);
  candidates_ = copies_.size();
  answered_ = true;
}

bool Copytruncate::decided(int64_t now_ns) {
  if (deadline_ns_ == 0) {
    deadline_ns_ = now_ns + limits::kCopyWaitNs;
    wished_ = wishes_.take(now_ns);
    answered_ = !wished_;
    copies_.clear();
    candidates_ = 0;
  }
  return answered_ || now_ns >= deadline_ns_;
}

std::vector<std::shared_ptr<const OpenFile>> Copytruncate::take_copies() {
  deadline_ns_ = 0;
  auto copies = std::exchange(copies_, {});
  if (candidates_ == 0) return {};
  copies.erase(copies.begin(), copies.begin() + static_cast<std::ptrdiff_t>(candidates_ - 1));
  return copies;
}

void Copytruncate::forget() {
  wished_ = false;
  deadline_ns_ = 0;
}

void Copytruncate::restart_file(int fd) {
  // A writer without O_APPEND goes on at its old offset and leaves a hole, which holds no line.
  const off_t data = ::lseek(fd, 0, SEEK_DATA);
  cursor_.restart_file(data > 0 ? static_cast<uint64_t>(data) : 0);
}

}  // namespace longshore::agent
