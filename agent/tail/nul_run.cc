#include "agent/tail/nul_run.h"

#include "checkpoint/file_identity.h"
#include "config/limits.h"

namespace longshore::agent {

Result<Nuls> NulRun::look(int fd, const Cursor& cursor, uint64_t offset) {
  if (!search_ || search_->file() != cursor.file() || search_->from() != offset) {
    search_ = std::make_unique<ZeroSearch>(cursor.file(), offset, offset + 1);
  }
  if (Status looked = search_->look_on(fd); !looked) return looked.error();
  if (!search_->done()) return Nuls::kSearched;
  const auto found = std::exchange(search_, nullptr);  // The next look may find other bytes.
  if (!found->found()) return Nuls::kShort;
  end_ = found->end();
  const auto facts = checkpoint::file_facts(fd);
  if (!facts) return facts.error();
  if (end_ >= facts->size_bytes) return Nuls::kLast;
  return end_ - offset < limits::kBlockBytes ? Nuls::kShort : Nuls::kLong;
}

Result<bool> NulRun::settles(int fd, uint64_t end, int64_t now_ns, int64_t wall_ns) {
  if (end < settled_) return true;
  const auto facts = checkpoint::file_facts(fd);
  if (!facts) return facts.error();
  if (end >= seen_bytes_) settles_at_ns_ = 0;  // It was not there when the wait began.
  const bool quiet = facts->modified_ns + limits::kNulsWaitNs <= wall_ns;
  if (quiet) seen_bytes_ = facts->size_bytes;
  if (quiet || (settles_at_ns_ != 0 && now_ns >= settles_at_ns_)) {
    settled_ = seen_bytes_;
    settles_at_ns_ = 0;
    if (end < settled_) return true;
  }
  if (settles_at_ns_ == 0) {
    seen_bytes_ = facts->size_bytes;
    settles_at_ns_ = now_ns + limits::kNulsWaitNs;
  }
  return false;
}

}  // namespace longshore::agent
