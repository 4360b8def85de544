#include "agent/tail/truncations.h"

#include <algorithm>

namespace longshore::agent {
namespace {

constexpr char kLost[] = "truncated";

}  // namespace

void Truncations::truncated(uint64_t size_bytes, int64_t now_ns) {
  const uint64_t seen = cursor_.known_size(), unread = seen - cursor_.offset();
  const std::string what = "the file was truncated or rewritten: it had " + std::to_string(seen) +
                           " bytes when it was last seen and has " + std::to_string(size_bytes) +
                           " now";
  if (unread > 0 && ranges_.take(now_ns)) {
    notes_.lost(cursor_.lose_unread(), kLost,
                what + "; anything written before the truncation and not read is lost");
    // It may have grown beyond that, and nobody knows how far.
    doubt(0, what + "; anything written after it was last seen is lost too", now_ns);
    return;
  }
  doubt(unread,
        what + (unread > 0 ? "; anything written before the truncation and not read is lost"
                           : "; all of them were read, and anything written just before "
                             "the truncation is lost"),
        now_ns);
}

void Truncations::copied(int64_t now_ns) {
  doubt(0,
        "the log was copied and truncated, and its copy was read to the end; anything written "
        "between the copy and the truncation is lost",
        now_ns);
}

void Truncations::doubt(uint64_t lost_bytes, const std::string& detail, int64_t now_ns) {
  cursor_.set_seen_bytes(0);
  const Range at = cursor_.lose_unknown();
  const bool waits = noted_ns_ != 0 && now_ns < noted_ns_ + wait_ns_;
  if (waits || lost_bytes > 0) {
    cursor_.add_truncation(lost_bytes);
    return;
  }
  notes_.note(LedgerEvent::kDoubt, at, kTruncatedDoubt, detail);
  noted(now_ns);
}

bool Truncations::settle(bool at_once, int64_t now_ns) {
  const checkpoint::Truncations& waiting = cursor_.truncations();
  if (waiting.count == 0) return false;
  if (!at_once && noted_ns_ != 0 && now_ns < noted_ns_ + wait_ns_) return false;
  const std::string times = waiting.count == 1 ? "once" : std::to_string(waiting.count) + " times";
  const std::string what = "the file was truncated or rewritten " + times + " since position " +
                           std::to_string(waiting.first.bytes);
  if (waiting.lost_bytes > 0) {
    notes_.lost({waiting.last, waiting.last}, kLost,
                what + "; " + std::to_string(waiting.lost_bytes) +
                    " bytes that it was seen to have were not read, and are lost");
  }
  notes_.note(LedgerEvent::kDoubt, {waiting.first, waiting.last}, kTruncatedDoubt,
              what + "; anything written just before a truncation is lost");
  cursor_.forget_truncations();
  noted(now_ns);
  return true;
}

int64_t Truncations::due_at_ns() const {
  if (cursor_.truncations().count == 0) return 0;
  return std::max<int64_t>(noted_ns_ + wait_ns_, 1);
}

// The intervals grow while it goes on, and begin anew after a quiet one.
void Truncations::noted(int64_t now_ns) {
  const bool quiet = noted_ns_ == 0 || now_ns >= noted_ns_ + 2 * wait_ns_;
  wait_ns_ =
      quiet ? limits::kTruncatedNoteNsMin : std::min(2 * wait_ns_, limits::kTruncatedNoteNsMax);
  noted_ns_ = std::max<int64_t>(now_ns, 1);
}

}  // namespace longshore::agent
