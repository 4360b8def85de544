#include "agent/tail/loss.h"

#include <algorithm>
#include <string>

#include "config/limits.h"

namespace longshore::agent {

void Loss::current_file_gone() { lose_rest("generation unseen", "the file being read is gone"); }

void Loss::deleted_unseen() {
  lose_rest("deleted", "the file was deleted while no agent had it open");
}

// Bytes that were seen are a range. How many were written after them is not known.
void Loss::lose_rest(const char* reason, const std::string& what) {
  const std::string seen = std::to_string(cursor_.known_size());
  const Range range = cursor_.lose_unread();
  notes_.lost(range, reason,
              what + "; it had " + seen +
                  " bytes when it was last seen, and anything written to it later is lost");
  if (range.start == range.end) return;
  notes_.note(LedgerEvent::kDoubt, {range.end, range.end}, kUnseenDoubt,
              what + "; anything written to it after it was last seen is missing here");
}

void Loss::over_budget(uint64_t size_bytes) {
  notes_.lost(size_bytes == 0 ? cursor_.lose_unknown() : cursor_.skip(size_bytes),
              "deleted beyond the budget",
              "the file was deleted, and deleted files together held more disk space than "
              "--deleted-bytes allows; its unread rest is given up");
}

void Loss::generations_unseen(Step step) {
  if (step == Step::kUnproven) {
    const Range at{cursor_.position(), cursor_.position()};
    notes_.note(LedgerEvent::kDoubt, at, kUnseenDoubt,
                "the log was rotated, and nothing proves that this file is the next: no agent saw "
                "it happen, or an agent saw more files take the log's name than it found. One that "
                "was written in between may be gone");
    return;
  }
  notes_.lost(cursor_.lose_unknown(), "generation unseen",
              "the log was rotated more than once before the agent looked; the files in between "
              "were gone before they could be opened");
}

void Loss::replaced_unread() {
  notes_.note(LedgerEvent::kDoubt, {cursor_.position(), cursor_.position()}, kUnseenDoubt,
              "the log was rotated and compressed before anything of its file was read; if another "
              "file was deleted meanwhile, it is missing here");
}

void Loss::older_left_out() {
  notes_.note(LedgerEvent::kDoubt, {cursor_.position(), cursor_.position()}, kUnseenDoubt,
              "a compressed file of the log is older than the one that was being read, and is not "
              "known: if it was never read, its lines are missing");
}

void Loss::archive_broken(const std::string& why) {
  notes_.lost(cursor_.lose_unknown(), "damaged archive",
              why.empty() ? "the compressed file is not the one that was read"
                          : why + "; all that could be unpacked was read");
}

bool Loss::fails_for_long(int64_t now_ns) {
  if (failing_since_ns_ == 0) failing_since_ns_ = now_ns;
  return now_ns - failing_since_ns_ >= limits::kUnreadableRetryNs;
}

int64_t Loss::read_failed(const Error& error, uint64_t at_offset, int64_t now_ns) {
  if (!fails_for_long(now_ns)) return now_ns + limits::kUnreadableRereadNs;
  failing_since_ns_ = 0;
  const uint64_t block_end = (at_offset / limits::kBlockBytes + 1) * limits::kBlockBytes;
  notes_.lost(cursor_.skip(std::max(block_end, cursor_.offset() + 1)), "unreadable", error.message);
  return 0;
}

}  // namespace longshore::agent
