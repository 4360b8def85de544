#include "agent/tail/loss.h"

#include <algorithm>
#include <string>

#include "config/limits.h"

namespace longshore::agent {

void Loss::current_file_gone() {
  const std::string seen = std::to_string(cursor_.known_size());
  notes_.lost(cursor_.lose_unread(), "generation unseen",
              "the file being read is gone; it had " + seen +
                  " bytes when it was last seen, and anything written to it later is lost");
}

void Loss::deleted_unseen() {
  const std::string seen = std::to_string(cursor_.known_size());
  notes_.lost(cursor_.lose_unread(), "deleted",
              "the file was deleted while no agent had it open; it had " + seen +
                  " bytes when it was last seen, and anything written to it later is lost");
}

void Loss::over_budget(uint64_t size_bytes) {
  notes_.lost(cursor_.skip(size_bytes), "deleted beyond the budget",
              "the file was deleted, and deleted files together held more disk space than "
              "--deleted-bytes allows; its unread rest is given up");
}

void Loss::generations_unseen() {
  notes_.lost(cursor_.lose_unknown(), "generation unseen",
              "the log was rotated more than once before the agent looked; the files in between "
              "were gone before they could be opened");
}

int64_t Loss::read_failed(const Error& error, uint64_t at_offset, int64_t now_ns) {
  if (failing_since_ns_ == 0) failing_since_ns_ = now_ns;
  if (now_ns - failing_since_ns_ < limits::kUnreadableRetryNs) {
    return now_ns + limits::kUnreadableRereadNs;
  }
  failing_since_ns_ = 0;
  const uint64_t block_end = (at_offset / limits::kBlockBytes + 1) * limits::kBlockBytes;
  notes_.lost(cursor_.skip(std::max(block_end, cursor_.offset() + 1)), "unreadable", error.message);
  return 0;
}

}  // namespace longshore::agent
