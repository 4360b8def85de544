// The part of a tail that decides where lines end, apart from their newlines: at what was never
// written, at the end of a process, or in the next file.
#include <string>

#include "agent/decode/not_text.h"
#include "agent/tail/proof.h"
#include "agent/tail/tail.h"
#include "config/limits.h"
#include "config/read_at.h"

namespace longshore::agent {

void Tail::end_run(const checkpoint::FileIdentity& file, uint64_t size_bytes) {
  const Generation* const generation = generations_.find(file);
  const bool read = file == cursor_.file() && size_bytes <= cursor_.offset();
  if (generation == nullptr || size_bytes == 0 || read) return;
  const auto last = read_at(generation->file->fd.get(), size_bytes - 1, 1);
  if (last && last.value() != "\n") run_ends_.add(file, size_bytes);
}

void Tail::ended(uint64_t size_bytes) {
  apply(checkpoint::SourceEvent::kEnded);
  ending_.ended(size_bytes);
}

// Whether a file that was read to its end is complete.
bool Tail::file_ends(uint64_t size_bytes, int64_t now_ns) {
  if (may_be_written()) return false;
  if (life_ != checkpoint::SourceLife::kEnded || generations_.has_next()) return true;
  const int64_t again_at_ns = ending_.ask_again_ns(size_bytes, now_ns);
  recheck_at(again_at_ns);
  return again_at_ns == 0;
}

// Whether the next file may begin where this one ends. Entries of one line tell by their time too.
bool Tail::next_goes_on() const {
  return generations_.has_next() && generations_.next().step != Step::kGap &&
         !generations_.next_is_truncated();
}

Window Tail::window_on(std::string_view bytes, const Turn& turn) const {
  return {.bytes = bytes,
          .base = cursor_.base(),
          .now_ns = turn.wall_ns,
          .flags = cursor_.gap_pending() ? uint32_t{shipper::kFlagGapBefore} : 0u,
          .begun_bytes_max = begun_bytes_max_};
}

// What follows is not the rest of the line that is begun.
FillOutcome Tail::end_begun(const Turn& turn) {
  const std::string overlap = cursor_.overlap();
  Window window = window_on({}, turn);
  window.last = true;
  return decode(window, overlap, turn);
}

// Nothing was consumed. Empty: NULs are not why.
Result<Tail::Met> Tail::meet_nuls(const Generation& generation, Window window,
                                  std::string_view read, const Turn& turn) {
  const int fd = generation.file->fd.get();
  const std::string_view bytes = window.bytes;
  const size_t first = cursor_.part() == 0 ? count_nuls(bytes) : 0;
  if (first > 0 && first < bytes.size() && cursor_.offset() + first >= window.settled) {
    const auto settled = nuls_.settles(fd, cursor_.offset() + first, turn.now_ns, turn.wall_ns);
    if (!settled) return settled.error();
    if (settled.value()) return Met(go_on_soon(turn.now_ns));
    recheck_at(nuls_.settles_at_ns());
    return Met(FillOutcome::kDrained);
  }
  const size_t last = window.full ? count_last_nuls(bytes) : 0;
  if (last == 0) return Met();
  const size_t text = bytes.size() - last;
  const auto nuls = nuls_.look(fd, cursor_, cursor_.offset() + text);
  if (!nuls) return nuls.error();
  if (nuls.value() == Nuls::kSearched) return Met(go_on_soon(turn.now_ns));
  if (nuls.value() == Nuls::kLast && may_be_written()) {
    const auto outcome = drained(generation, turn, true);
    if (!outcome) return outcome.error();
    return Met(*outcome);
  }
  if (nuls.value() == Nuls::kShort) {
    window.nuls_are_text = true;
    return Met(decode(window, read, turn));
  }
  if (may_be_written()) {
    const auto settled = nuls_.settles(fd, nuls_.end(), turn.now_ns, turn.wall_ns);
    if (!settled) return settled.error();
    if (!settled.value()) {
      recheck_at(nuls_.settles_at_ns());
      return Met(FillOutcome::kDrained);
    }
  }
  const auto passed = pass_nuls(fd, window, text, read, turn);
  if (!passed) return passed.error();
  return Met(passed.value());
}

// The window has `text_bytes` of text, and ends in a long run of NULs that will not be written.
Result<FillOutcome> Tail::pass_nuls(int fd, Window window, size_t text_bytes, std::string_view read,
                                    const Turn& turn) {
  if (text_bytes > 0) {
    const size_t nuls = window.bytes.size() - text_bytes;
    window.bytes.remove_suffix(nuls);
    window.full = false;
    window.last = true;
    return decode(window, read.substr(0, read.size() - nuls), turn);
  }
  auto proof = prove(fd, cursor_, nuls_.end(), cursor_.offset());
  if (!proof) return proof.error();
  cursor_.pass_nuls(nuls_.end(), std::move(proof).value());
  return FillOutcome::kMoved;
}

}  // namespace longshore::agent
