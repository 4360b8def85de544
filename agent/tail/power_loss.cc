#include "agent/tail/power_loss.h"

#include <algorithm>
#include <utility>

#include "agent/tail/proof.h"
#include "config/limits.h"
#include "config/read_at.h"

namespace longshore::agent {
namespace {

constexpr char kReason[] = "power loss";

// Where the line that contains `offset` begins: after the newline before it, but not before
// `floor`. A line longer than a record can hold is cut at `offset`.
Result<uint64_t> line_begin(int fd, uint64_t offset, uint64_t floor) {
  const uint64_t least =
      std::max(floor, offset - std::min<uint64_t>(offset, limits::kReadBytesMax));
  for (uint64_t end = offset; end > least;) {
    const uint64_t begin = end - std::min<uint64_t>(end - least, limits::kSearchStepBytes);
    const auto piece = read_at(fd, begin, end - begin);
    if (!piece) return piece.error();
    const size_t newline = piece.value().rfind('\n');
    if (newline != std::string::npos) return begin + newline + 1;
    end = begin;
  }
  return least == floor ? floor : offset;
}

}  // namespace

Result<bool> PowerLoss::resume(int fd) {
  if (!behind_ || behind_->file() != cursor_.file() || behind_->limit() != cursor_.offset()) {
    const auto prefix = checkpoint::proven_prefix(fd, cursor_.marks());
    if (!prefix) return prefix.error();
    behind_ = std::make_unique<ZeroSearch>(cursor_.file(), prefix.value(), cursor_.offset());
  }
  if (Status looked = behind_->look_on(fd); !looked) return looked.error();
  if (!behind_->done()) return false;
  // The bytes before the zeros are unchanged only if the power was lost once: after an earlier loss
  // they may have been written anew.
  const bool by_zeros = behind_->found() && cursor_.boot() == boots_.before;
  const Status resumed =
      by_zeros ? resume_after_zeros(fd, *behind_) : resume_at_line(fd, behind_->from());
  return resumed ? Result<bool>(true) : resumed.error();
}

Status PowerLoss::resume_after_zeros(int fd, const ZeroSearch& zeros) {
  const uint64_t offset = cursor_.offset(), end = zeros.end();
  auto proof = prove(fd, cursor_, end, zeros.from());
  if (!proof) return proof.error();
  const std::string what =
      "the host went down after " + std::to_string(offset) +
      " bytes of the file were shipped; zeros replace its bytes up to offset " +
      std::to_string(end);
  const Position at = cursor_.position();
  if (end > offset) {
    notes_.lost({cursor_.covered(), cursor_.position(end)}, kReason, what);
  } else {
    // The zeros may as well be those of an earlier loss, or have shipped lines after them.
    if (end < offset) {
      notes_.note(LedgerEvent::kDoubt, {cursor_.position(end), at}, "possible duplicates", what);
    }
    notes_.lost({at, at}, kReason, what);
  }
  resume_at(end, std::move(proof).value());
  return ok();
}

Status PowerLoss::resume_at_line(int fd, uint64_t proven) {
  const uint64_t begin = cursor_.marks().begin;
  // Where nothing is proven it may be another file altogether, which is read from its beginning.
  const auto line = proven > begin ? line_begin(fd, proven, begin) : Result<uint64_t>(0);
  if (!line) return line.error();
  auto proof = prove(fd, cursor_, line.value(), proven);
  if (!proof) return proof.error();
  const std::string what = "the host went down after " + std::to_string(cursor_.offset()) +
                           " bytes of the file were shipped; the file is proven unchanged only up "
                           "to offset " +
                           std::to_string(line.value());
  const Position at = cursor_.position();
  notes_.note(LedgerEvent::kDoubt, {cursor_.position(line.value()), at}, "possible duplicates",
              what + " and is read again from there");
  notes_.lost({at, at}, kReason, what + "; other bytes that stood after it are lost");
  resume_at(line.value(), std::move(proof).value());
  return ok();
}

Result<bool> PowerLoss::look_ahead(int fd, size_t window_bytes, bool has_next) {
  if (!rebooted()) {
    cursor_.set_boot(boots_.now);
    return false;
  }
  const auto facts = checkpoint::file_facts(fd);
  if (!facts) return facts.error();
  const uint64_t size = facts->size_bytes;
  if (const uint64_t seen = cursor_.seen_bytes(); size < seen) {
    cursor_.set_seen_bytes(0);
    notes_.lost(cursor_.lose_unknown(), kReason,
                "the host went down while the file had " + std::to_string(seen) +
                    " bytes; it has " + std::to_string(size) + " now, the others are lost");
    return true;
  }
  const uint64_t offset = cursor_.offset();
  if (!ahead_ || ahead_->file() != cursor_.file() || offset < ahead_->from() ||
      offset > ahead_->begin()) {
    ahead_ = std::make_unique<ZeroSearch>(cursor_.file(), offset, size);
  }
  // Searches beyond the window, because a line that fills the window has to be taken in parts.
  if (ahead_->begin() <= offset + window_bytes) {
    if (Status looked = ahead_->look_on(fd); !looked) return looked.error();
  }
  if (ahead_->done() && !ahead_->found() && !has_next) cursor_.set_boot(boots_.now);
  return false;
}

uint64_t PowerLoss::clear_bytes() const {
  if (!rebooted() || (ahead_->done() && !ahead_->found())) return UINT64_MAX;
  return ahead_->begin() - cursor_.offset();
}

Status PowerLoss::pass_zeros(int fd) {
  const uint64_t begin = ahead_->begin(), end = ahead_->end();
  auto proof = prove(fd, cursor_, end, cursor_.offset());
  if (!proof) return proof.error();
  notes_.lost({cursor_.covered(), cursor_.position(end)}, kReason,
              "the host went down; the file has only zeros from offset " + std::to_string(begin) +
                  " to " + std::to_string(end));
  resume_at(end, std::move(proof).value());
  return ok();
}

void PowerLoss::resume_at(uint64_t offset, Proof proof) {
  cursor_.resume_at(offset, std::move(proof));
  ahead_.reset();
  behind_.reset();
}

}  // namespace longshore::agent
