#include "agent/tail/copytruncate.h"

#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <string>

#include "checkpoint/file_identity.h"
#include "config/limits.h"
#include "config/read_at.h"

namespace longshore::agent {

bool holds_what_was_read(const OpenFile& file, const Cursor& cursor) {
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
  answered_ = true;
}

bool Copytruncate::decided(int64_t now_ns) {
  if (deadline_ns_ == 0) {
    deadline_ns_ = now_ns + limits::kCopyWaitNs;
    wished_ = true;
    answered_ = false;
    copies_.clear();
  }
  return answered_ || now_ns >= deadline_ns_;
}

// A rotator that died between copying and truncating leaves two copies with the same beginning: the
// younger one has more of the log.
std::vector<std::shared_ptr<const OpenFile>> Copytruncate::take_copies() {
  deadline_ns_ = 0;
  auto copies = std::exchange(copies_, {});
  const auto proven = std::find_if(copies.rbegin(), copies.rend(), [&](const auto& copy) {
    return holds_what_was_read(*copy, cursor_);
  });
  if (proven == copies.rend()) return {};
  copies.erase(copies.begin(), std::prev(proven.base()));
  return copies;
}

void Copytruncate::forget() {
  wished_ = false;
  deadline_ns_ = 0;
}

void Copytruncate::restart_file(int fd) {
  const auto facts = checkpoint::file_facts(fd);
  const uint64_t size = facts ? facts.value().size_bytes : 0;
  const std::string seen = std::to_string(cursor_.known_size());
  const std::string what = "the file was truncated or rewritten: it had " + seen +
                           " bytes when it was last seen and has " + std::to_string(size) + " now";
  const Range range = cursor_.lose_unread();
  notes_.lost(range, "truncated",
              what + "; anything written before the truncation and not read is lost");
  // It may have grown beyond what was seen, and nobody knows how far.
  if (range.start < range.end) {
    notes_.lost({range.end, range.end}, "truncated",
                what + "; anything written after it was last seen is lost too");
  }
  // A writer without O_APPEND goes on at its old offset and leaves a hole, which holds no line.
  const off_t data = ::lseek(fd, 0, SEEK_DATA);
  cursor_.restart_file(data > 0 ? static_cast<uint64_t>(data) : 0);
}

void Copytruncate::copy_finished() {
  notes_.lost(cursor_.lose_unknown(), "truncated",
              "the log was copied and truncated, and its copy was read to the end; anything "
              "written between the copy and the truncation is lost");
}

}  // namespace longshore::agent
