#include "agent/tail/copytruncate.h"

#include <unistd.h>

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

bool is_original(const Generation& next, const Cursor& cursor) {
  return cursor.offset() > 0 && !next.truncated &&
         next.file->identity.born_ns() <= cursor.file().born_ns() &&
         holds_what_was_read(*next.file, cursor);
}

void Copytruncate::answer(std::shared_ptr<const OpenFile> copy) {
  copy_ = std::move(copy);
  answered_ = true;
}

bool Copytruncate::decided(int64_t now_ns) {
  if (deadline_ns_ == 0) {
    deadline_ns_ = now_ns + limits::kCopyWaitNs;
    wished_ = true;
    answered_ = false;
    copy_ = nullptr;
  }
  return answered_ || now_ns >= deadline_ns_;
}

std::shared_ptr<const OpenFile> Copytruncate::take_copy() {
  deadline_ns_ = 0;
  auto copy = std::exchange(copy_, nullptr);
  return copy != nullptr && holds_what_was_read(*copy, cursor_) ? copy : nullptr;
}

void Copytruncate::forget() {
  wished_ = false;
  deadline_ns_ = 0;
}

void Copytruncate::restart_file(int fd) {
  const auto facts = checkpoint::file_facts(fd);
  const uint64_t size = facts ? facts.value().size_bytes : 0;
  const std::string seen = std::to_string(cursor_.known_size());
  notes_.lost(cursor_.lose_unread(), "truncated",
              "the file was truncated or rewritten: it had " + seen +
                  " bytes when it was last seen and has " + std::to_string(size) +
                  " now; anything written before the truncation and not read is lost");
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
