#include "agent/tail/tail.h"

#include <simdjson.h>

#include <algorithm>
#include <cassert>

#include "config/limits.h"
#include "config/read_at.h"

namespace longshore::agent {

Tail::Tail(Stream stream, checkpoint::SourceState state, int64_t rotate_wait_ns, Boots boots)
    : decoder_(make_decoder(stream)),
      cursor_(state),
      closing_(rotate_wait_ns),
      ending_(rotate_wait_ns),
      power_loss_(boots, cursor_, notes_) {}

void Tail::add(std::shared_ptr<const OpenFile> file, uint64_t start_offset, Step step) {
  generations_.add(std::move(file), start_offset, step);
  apply(checkpoint::SourceEvent::kOpened);
}

void Tail::begin() {
  if (begun() || generations_.empty()) return;
  const Generation& first = generations_.first();
  const size_t overlap = std::min<uint64_t>(first.start_offset, limits::kOverlapBytes);
  auto before = read_at(first.file->fd.get(), first.start_offset - overlap, overlap);
  if (!before || before.value().size() < overlap) return;
  cursor_.start(first.file->identity, first.start_offset, std::move(before).value(),
                power_loss_.this_boot());
  notes_.note(LedgerEvent::kOpened, {cursor_.covered(), cursor_.covered()});
}

checkpoint::SourceState Tail::state() const {
  checkpoint::SourceState state = cursor_.state();
  if (const Generation* const generation = generations_.current()) {
    const auto facts = checkpoint::file_facts(generation->file->fd.get());
    state.seen_bytes = std::max(state.offset, facts ? facts.value().size_bytes : 0);
    state.file_path = generation->file->host_path;
  }
  return state;
}

void Tail::rewind(const checkpoint::SourceState& state) {
  cursor_.rewind(state);
  closing_.reopen();
  loss_.read_succeeded();
  copytruncate_.forget();
  power_loss_.rewind();
  nuls_.forget();
  notes_.clear();
  recheck_at_ns_ = 0;
  // A state that was in doubt may turn out to be the confirmed one after files were added.
  generations_.drop_closed();
}

void Tail::confirmed(const checkpoint::SourceState& state) {
  if (generations_.confirmed(state) && cursor_.generation() == state.generation) {
    cursor_.set_seen_bytes(state.seen_bytes);
  }
}

// `is_noted`: that something is missing, or may be, before it.
void Tail::start_next(bool is_noted) {
  const Generation& next = generations_.next();
  const bool after_copy = generations_.next_is_truncated();
  cursor_.next_generation(next.file->identity);
  closing_.restart();
  nuls_.forget();
  if (after_copy) copytruncate_.copy_finished();
  const Step step = next.step == Step::kUnproven && is_noted ? Step::kAdjacent : next.step;
  if (step != Step::kAdjacent) loss_.generations_unseen(step);
  window_ = {};
}

Result<FillOutcome> Tail::fill(shipper::Chunk& chunk, shipper::RecordEncoder& encoder,
                               int64_t now_ns, int64_t wall_ns) {
  recheck_at_ns_ = 0;
  const Turn turn{chunk, encoder, now_ns, wall_ns};
  if (life_ == checkpoint::SourceLife::kVanished) {
    if (cursor_.ended()) return FillOutcome::kDrained;
    loss_.deleted_unseen();  // With the line that is begun: its topic may not be known any more.
    return end();
  }
  if (generations_.empty()) return FillOutcome::kDrained;
  begin();
  if (!begun()) return FillOutcome::kDrained;
  const Generation* const generation = generations_.current();
  if (generation == nullptr) {
    if (cursor_.has_begun()) return end_begun(turn);
    const bool whole = cursor_.ended() && cursor_.file() == read_whole_;
    if (!whole && goes_on_in_copy(generations_.next())) return FillOutcome::kMoved;
    if (!whole) loss_.current_file_gone();
    start_next(!whole);
    return FillOutcome::kMoved;
  }
  if (generation->given_up) return give_up_rest(*generation, turn);
  return read_on(*generation, turn);
}

Result<FillOutcome> Tail::read_on(const Generation& generation, const Turn& turn) {
  const int fd = generation.file->fd.get();
  const size_t overlap = cursor_.overlap().size();
  shipper::Buffer& read = turn.chunk.read;
  for (bool sized = true;; sized = false) {
    const size_t size = sized ? window_.bytes_of(fd, cursor_.offset()) : window_.bytes();
    const size_t want = overlap + size;
    const uint64_t begin = cursor_.offset() - overlap;
    read.clear();
    read.reserve(want + simdjson::SIMDJSON_PADDING);
    const ReadBytes got = read_at(fd, begin, read.data(), want);
    read.resize(got.bytes);
    read_last_bytes_ = got.bytes;
    std::string_view bytes(read.data(), got.bytes);
    if (!got.status && bytes.size() < overlap) {
      return read_failed(got.status.error(), cursor_.offset(), turn.now_ns);
    }
    if (bytes.substr(0, overlap) != cursor_.overlap()) return changed(fd, turn);
    power_loss_.found_intact();
    copytruncate_.forget();
    const auto shorter = power_loss_.look_ahead(fd, window_.bytes(), generations_.has_next());
    if (!shorter) return shorter.error();
    if (shorter.value()) return FillOutcome::kMoved;
    // Lines end at the zeros that a power loss left, and where all processes ended.
    const uint64_t clear = power_loss_.clear_bytes();
    const bool limited = clear <= bytes.size() - overlap;
    if (limited) bytes = bytes.substr(0, overlap + clear);
    const bool before_zeros = limited && power_loss_.zeros_follow();
    const uint64_t run = run_ends_.after(cursor_.file(), cursor_.offset()) - cursor_.offset();
    const bool run_ends = run <= bytes.size() - overlap;
    if (run_ends) bytes = bytes.substr(0, overlap + run);
    const bool all = !limited && !run_ends;
    const bool at_end = all && got.status && got.bytes < want;
    const bool file_ends = at_end && this->file_ends(begin + got.bytes, turn.now_ns);
    const Window window{.bytes = bytes.substr(overlap),
                        .base = cursor_.base(),
                        .now_ns = turn.wall_ns,
                        .flags = cursor_.gap_pending() ? uint32_t{shipper::kFlagGapBefore} : 0u,
                        .full = all && size >= limits::kReadBytesMax && got.bytes == want,
                        .last = before_zeros || run_ends || file_ends,
                        .goes_on = file_ends && next_goes_on(),
                        .settled = all && may_be_written() ? nuls_.settled() : UINT64_MAX,
                        .begun_bytes_max = begun_bytes_max_};
    const FillOutcome outcome = decode(window, bytes, turn);
    if (outcome != FillOutcome::kDrained) {
      closing_.grew(turn.now_ns);
      loss_.read_succeeded();
      return outcome;
    }
    if (before_zeros) return pass_zeros(fd);
    if (limited) return go_on_soon(turn.now_ns);
    if (!got.status) return read_failed(got.status.error(), begin + got.bytes, turn.now_ns);
    const auto met = meet_nuls(generation, window, bytes, turn);
    if (!met) return met.error();
    if (met.value()) return *met.value();
    if (at_end) return drained(generation, turn.now_ns, bytes.size() > overlap);
    // The file holds more than its size said: it has just grown, or its size means nothing.
    if (size == window_.bytes()) window_.widen();
  }
}

// `read` contains the window's bytes, with the overlap before them.
FillOutcome Tail::decode(const Window& window, std::string_view read, const Turn& turn) {
  const bool ends_begun = window.last && !window.goes_on && cursor_.has_begun();
  if (window.bytes.empty() && !ends_begun) return FillOutcome::kDrained;
  DecodeState at{.offset = cursor_.offset(),
                 .covered = cursor_.covered(),
                 .part = cursor_.part(),
                 .begun = cursor_.lend_begun()};
  decoder_->decode(window, at, turn.encoder, turn.chunk);
  const size_t consumed = at.offset - cursor_.offset();
  if (consumed == 0 && turn.chunk.messages.empty()) {
    cursor_.give_back(std::move(at.begun));
    return FillOutcome::kDrained;
  }
  cursor_.advance(read.substr(0, read.size() - window.bytes.size() + consumed), std::move(at));
  window_.follow(window.bytes.size(), consumed);
  if (turn.chunk.messages.empty()) return FillOutcome::kMoved;
  cursor_.gap_shipped();
  return FillOutcome::kRecords;
}

// Everything that is there was read, except perhaps an unterminated `rest`.
FillOutcome Tail::drained(const Generation& generation, int64_t now_ns, bool rest) {
  loss_.read_succeeded();
  if (generations_.has_next()) return end_generation(generation, now_ns, rest);
  const bool anything = cursor_.offset() > 0 || cursor_.generation() > 0;
  if (may_grow() || rest || cursor_.ended() || !anything) return FillOutcome::kDrained;
  return end();
}

FillOutcome Tail::end() {
  cursor_.set_ended();
  notes_.note(LedgerEvent::kEnded, {{}, cursor_.covered()});
  return FillOutcome::kMoved;
}

FillOutcome Tail::end_generation(const Generation& generation, int64_t now_ns, bool rest) {
  if (closing_.over() && !rest) {
    // What no record covers yet belongs to the first one of the next file.
    const Position end = cursor_.covered();
    notes_.note(LedgerEvent::kClosed, {std::min(cursor_.base(), end), end});
    start_next();
    return FillOutcome::kMoved;
  }
  recheck_at_ns_ = closing_.ask_again_ns(generation.file->fd.get(), now_ns);
  if (!closing_.over()) return FillOutcome::kDrained;
  const Generation& next = generations_.next();
  if (is_original(next, cursor_)) {
    cursor_.move_to_original(next.file->identity);
    nuls_.forget();
    closing_.restart();
    return FillOutcome::kMoved;
  }
  const auto facts = checkpoint::file_facts(generation.file->fd.get());
  if (facts && facts->links == 0) goes_on_in_copy(next);
  return FillOutcome::kMoved;
}

void Tail::add_copies(std::vector<std::shared_ptr<const OpenFile>> copies) {
  std::erase_if(copies, [&](const auto& copy) {
    return std::ranges::find(no_copies_, copy->identity) != no_copies_.end();
  });
  copytruncate_.answer(std::move(copies));
}

bool Tail::judge(const OpenFile& file, CopyJudged& judged) {
  const auto facts = checkpoint::file_facts(file.fd.get());
  judged.size_bytes = facts ? facts->size_bytes : 0;
  const auto& closed = cursor_.closed();
  const auto is_it = [&](const Generation& each) { return each.file->identity == file.identity; };
  if (file.identity == cursor_.file() || std::ranges::any_of(generations_.files(), is_it) ||
      std::ranges::find(closed, file.identity) != closed.end()) {
    judged.verdict = CopyVerdict::kCopy;
    return false;
  }
  // A copy that was made while the log was written to and read on is shorter than what was read.
  if (truncated_ != nullptr && was_copied(file, judged.size_bytes, *truncated_)) {
    judged.verdict = CopyVerdict::kCopy;
    cursor_.close_copy(file.identity);
    return true;
  }
  for (const Generation& each : generations_.files()) {
    judged.verdict = judge_copy(file, judged.size_bytes, *each.file, cursor_);
    if (judged.verdict == CopyVerdict::kOther) continue;
    const bool is_of_current = each.file->identity == cursor_.file();
    if (judged.verdict == CopyVerdict::kGrownCopy) judged.shipped_bytes = cursor_.offset();
    if (judged.verdict == CopyVerdict::kGrownCopy || !is_of_current) return false;
    if (judged.size_bytes > cursor_.offset()) return false;
    cursor_.close_copy(file.identity);
    return true;
  }
  if (no_copies_.size() == limits::kCopiesMax) no_copies_.erase(no_copies_.begin());
  no_copies_.push_back(file.identity);
  return false;
}

// Goes on in `next` at the same offset if it is a grown copy of the present file, which is gone.
bool Tail::goes_on_in_copy(const Generation& next) {
  if (!is_grown_copy(next, cursor_)) return false;
  const auto facts = checkpoint::file_facts(next.file->fd.get());
  // A short beginning, or nothing more, may as well have been written anew by the same program.
  if (!facts || cursor_.offset() < limits::kAlikeBytesMax ||
      facts->size_bytes == cursor_.offset()) {
    notes_.note(LedgerEvent::kDoubt, {cursor_.position(), cursor_.position()}, kCopyDoubt,
                "the file was replaced by one that begins with the same " +
                    std::to_string(cursor_.offset()) +
                    " bytes, and was taken for a copy of it: if they were written anew, those "
                    "lines are missing here");
  }
  cursor_.move_to_original(next.file->identity);
  nuls_.forget();
  closing_.restart();
  return true;
}

FillOutcome Tail::give_up_rest(const Generation& generation, const Turn& turn) {
  const auto facts = checkpoint::file_facts(generation.file->fd.get());
  const uint64_t size = facts ? facts.value().size_bytes : 0;
  const bool last = !generations_.has_next();
  if (size <= cursor_.offset() && last) return FillOutcome::kDrained;
  if (size > cursor_.offset() || !next_goes_on()) {
    if (cursor_.has_begun()) return end_begun(turn);
  }
  if (size > cursor_.offset()) loss_.over_budget(size);
  if (!last) start_next();
  return FillOutcome::kMoved;
}

// The bytes before the offset are not those that were read.
Result<FillOutcome> Tail::changed(int fd, const Turn& turn) {
  turn.chunk.read.clear();
  if (power_loss_.explains_change()) {
    if (cursor_.has_begun()) return end_begun(turn);
    const auto resumed = power_loss_.resume(fd);
    if (!resumed) return resumed.error();
    if (!resumed.value()) return go_on_soon(turn.now_ns);
  } else {
    if (!copytruncate_.decided(turn.now_ns)) {
      recheck_at_ns_ = copytruncate_.deadline_ns();
      return FillOutcome::kDrained;
    }
    if (auto copies = copytruncate_.take_copies(); !copies.empty()) {
      const checkpoint::FileIdentity first = copies.front()->identity;
      generations_.insert_copies(std::move(copies));
      cursor_.move_to_copy(first);
    } else {
      if (cursor_.has_begun()) return end_begun(turn);
      truncated_ = std::make_unique<const checkpoint::Beginning>(cursor_.beginning());
      copytruncate_.restart_file(fd);
      power_loss_.forget_ahead();
      run_ends_.forget(cursor_.file());
    }
  }
  nuls_.forget();
  closing_.reopen();
  return FillOutcome::kMoved;
}

Result<FillOutcome> Tail::pass_zeros(int fd) {
  if (Status passed = power_loss_.pass_zeros(fd); !passed) return passed.error();
  closing_.reopen();
  return FillOutcome::kMoved;
}

// There is more to look at than one turn may take: other sources have theirs first.
FillOutcome Tail::go_on_soon(int64_t now_ns) {
  recheck_at_ns_ = std::max<int64_t>(now_ns, 1);
  return FillOutcome::kDrained;
}

Result<FillOutcome> Tail::read_failed(const Error& error, uint64_t at_offset, int64_t now_ns) {
  recheck_at_ns_ = loss_.read_failed(error, at_offset, now_ns);
  if (recheck_at_ns_ != 0) return error;
  return FillOutcome::kMoved;
}

}  // namespace longshore::agent
