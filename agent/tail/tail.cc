#include "agent/tail/tail.h"

#include <simdjson.h>

#include <algorithm>
#include <cassert>

#include "config/limits.h"
#include "config/read_at.h"

namespace longshore::agent {

Tail::Tail(Stream stream, checkpoint::SourceState state, int64_t rotate_wait_ns, Boots boots,
           std::shared_ptr<LogReader> reader)
    : decoder_(make_decoder(stream)),
      reader_(std::move(reader)),
      cursor_(state),
      closing_(rotate_wait_ns),
      power_loss_(boots, cursor_, notes_),
      rotate_wait_ns_(rotate_wait_ns) {}

void Tail::add(std::shared_ptr<const OpenFile> file, uint64_t start_offset, Step step) {
  apply(checkpoint::SourceEvent::kOpened);
  const auto& closed = cursor_.closed();
  if (std::ranges::find(closed, file->identity) != closed.end()) add_closed(file);
  generations_.add(std::move(file), start_offset, step);
  if (!generations_.empty()) left_alone_ns_ = 0;
}

void Tail::begin() {
  if (begun() || generations_.empty()) return;
  const Generation& first = generations_.first();
  // What stands before it is marked as if it had been read, as far as it can be.
  std::string before;
  for (const size_t most : {limits::kMarkSpanBytes, limits::kOverlapBytes}) {
    const size_t bytes = std::min<uint64_t>(first.start_offset, most);
    auto read = read_at(first.file->fd.get(), first.start_offset - bytes, bytes);
    if (!read || read.value().size() < bytes) continue;
    before = std::move(read).value();
    break;
  }
  if (before.empty() && first.start_offset > 0) return;
  cursor_.start(first.file->identity, first.start_offset, before, power_loss_.this_boot());
  notes_.note(LedgerEvent::kOpened, {cursor_.covered(), cursor_.covered()});
}

checkpoint::SourceState Tail::state() const {
  checkpoint::SourceState state = cursor_.state();
  const Generation* const generation = generations_.current();
  if (generation == nullptr) return state;
  state.file_path = generation->file->host_path;
  if (generation->file->compression != Compression::kNone) return state;
  const auto facts = checkpoint::file_facts(generation->file->fd.get());
  state.seen_bytes = std::max(state.offset, facts ? facts.value().size_bytes : 0);
  return state;
}

void Tail::rewind(const checkpoint::SourceState& state) {
  cursor_.rewind(state);
  unpacked_.reset();
  others_.clear();
  closing_.reopen();
  loss_.read_succeeded();
  content_.forget();
  copytruncate_.forget();
  power_loss_.rewind();
  nuls_.forget();
  if (late_ != nullptr) late_->rewind();
  truncations_.rewind();
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
void Tail::start_next(int64_t now_ns, bool is_noted) {
  const Generation& next = generations_.next();
  const bool after_copy = generations_.next_is_truncated();
  const checkpoint::ClosedEnd end =
      generations_.current() == nullptr ? cursor_.end() : end_of_file();
  if (const Generation* const closed = generations_.current()) {
    const bool may_grow = closed->file->compression == Compression::kNone && !closed->given_up;
    if (end.head != 0 && may_grow) watch_closed(closed->file, closed->file->identity, now_ns);
    reader_->release(*closed->file);
  }
  cursor_.next_generation(next.file->identity, end);
  others_.clear();
  closing_.restart();
  nuls_.forget();
  content_.forget();
  if (after_copy) truncations_.copied(now_ns);
  const Step step = next.step == Step::kUnproven && is_noted ? Step::kAdjacent : next.step;
  if (step != Step::kAdjacent) loss_.generations_unseen(step);
  window_ = {};
}

Result<FillOutcome> Tail::fill(shipper::Chunk& chunk, shipper::RecordEncoder& encoder,
                               int64_t now_ns, int64_t wall_ns) {
  recheck_at_ns_ = 0;
  const Turn turn{chunk, encoder, now_ns, wall_ns};
  if (truncations_.settle(!may_grow(), now_ns)) return FillOutcome::kMoved;
  Result<FillOutcome> filled = FillOutcome::kDrained;
  if (late_ != nullptr && late_->is_due(now_ns)) filled = read_late(turn);
  if (filled && *filled == FillOutcome::kDrained) filled = fill_on(turn);
  recheck_at(truncations_.due_at_ns());
  return filled;
}

Result<FillOutcome> Tail::fill_on(const Turn& turn) {
  if (life_ == checkpoint::SourceLife::kVanished) {
    if (cursor_.ended()) return FillOutcome::kDrained;
    loss_.deleted_unseen();  // With the line that is begun: its topic may not be known any more.
    return end();
  }
  if (generations_.empty()) return left_alone(turn.now_ns);
  begin();
  if (!begun()) return FillOutcome::kDrained;
  const Generation* const generation = generations_.current();
  if (generation == nullptr) {
    return go_on_in(generations_.next(), turn);
  }
  if (generation->given_up) return give_up_rest(*generation, turn);
  const bool plain = generation->file->compression == Compression::kNone;
  return plain ? read_on(*generation, turn) : read_archive(*generation, turn);
}

Result<FillOutcome> Tail::read_on(const Generation& generation, const Turn& turn) {
  const int fd = generation.file->fd.get();
  const size_t overlap = cursor_.overlap().size();
  shipper::Buffer& read = turn.chunk.read;
  const auto facts = checkpoint::file_facts(fd);
  if (!facts) return read_failed(facts.error(), cursor_.offset(), turn.now_ns);
  const uint64_t file_bytes = facts->size_bytes;
  for (bool sized = true;; sized = false) {
    const size_t size = sized ? window_.bytes_of(file_bytes, cursor_.offset()) : window_.bytes();
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
    if (bytes.substr(0, overlap) != cursor_.overlap()) return changed(fd, file_bytes, turn);
    if (sized) {
      const auto found = content_.look(fd, *facts, turn.now_ns, turn.wall_ns);
      if (found == ContentCheck::Found::kRewritten) return changed(fd, file_bytes, turn);
      if (found == ContentCheck::Found::kLookAgain) {
        recheck_at(content_.look_again_at_ns());
        return FillOutcome::kDrained;
      }
    }
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
    Window window = window_on(bytes.substr(overlap), turn);
    window.full = all && size >= limits::kReadBytesMax && got.bytes == want;
    window.last = before_zeros || run_ends || file_ends;
    window.goes_on = file_ends && next_goes_on();
    window.settled = all && may_be_written() ? nuls_.settled() : UINT64_MAX;
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
    if (at_end) return drained(generation, turn, bytes.size() > overlap);
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
Result<FillOutcome> Tail::drained(const Generation& generation, const Turn& turn, bool rest) {
  loss_.read_succeeded();
  if (generations_.has_next()) return end_generation(generation, turn, rest);
  const bool anything = cursor_.offset() > 0 || cursor_.generation() > 0;
  if (may_grow() || rest || cursor_.ended() || !anything) return FillOutcome::kDrained;
  return end();
}

FillOutcome Tail::end() {
  cursor_.set_ended();
  notes_.note(LedgerEvent::kEnded, {{}, cursor_.covered()});
  return FillOutcome::kMoved;
}

Result<FillOutcome> Tail::end_generation(const Generation& generation, const Turn& turn,
                                         bool rest) {
  if (closing_.over() && !rest) return go_on_in(generations_.next(), turn);
  recheck_at(closing_.ask_again_ns(generation.file->fd.get(), turn.now_ns));
  if (!closing_.over()) return FillOutcome::kDrained;
  const Generation& next = generations_.next();
  if (is_original(next, cursor_)) {
    move_to(next.file->identity);
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

bool Tail::can_judge() const {
  if (!begun() || cursor_.ended() || generations_.empty()) return true;
  const Generation* const generation = generations_.current();
  return generation != nullptr && is_as_read(*generation->file, cursor_) &&
         !generations_.has_packed_next();
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
  const bool was_truncated = std::ranges::any_of(
      truncated_, [&](const auto& read) { return was_copied(file, judged.size_bytes, read); });
  if (was_truncated || was_copied(file, judged.size_bytes, cursor_.ends())) {
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
  // Compressed, it must not come once more as a copy that nobody has read.
  if (elsewhere_.size() == limits::kCopiesMax) elsewhere_.erase(elsewhere_.begin());
  elsewhere_.push_back(content_of(file, judged.size_bytes));
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
  move_to(next.file->identity, end_of_file());
  return true;
}

// What the cursor is in has the same content as `other`.
void Tail::move_to(const checkpoint::FileIdentity& other, const checkpoint::ClosedEnd& end) {
  cursor_.move_to_original(other, end);
  others_.clear();
  nuls_.forget();
  content_.forget();
  closing_.restart();
}

// The present file is finished, or gone. What comes next begins a generation, unless it holds what
// was read before.
Result<FillOutcome> Tail::go_on_in(const Generation& next, const Turn& turn) {
  if (next.file->compression != Compression::kNone) {
    const auto proven = prove_archive(turn);
    if (!proven) return proven.error();
    if (*proven) return **proven;
  }
  bool is_noted = false;
  if (generations_.current() != nullptr) {
    // What no record covers yet belongs to the first one of the next file.
    const Position end = cursor_.covered();
    notes_.note(LedgerEvent::kClosed, {std::min(cursor_.base(), end), end});
  } else if (const bool whole = cursor_.ended() && cursor_.file() == read_whole_; !whole) {
    if (goes_on_in_copy(next)) return FillOutcome::kMoved;
    if (cursor_.has_begun()) return end_begun(turn);
    loss_.current_file_gone();
    is_noted = true;
  }
  start_next(turn.now_ns, is_noted);
  return FillOutcome::kMoved;
}

FillOutcome Tail::give_up_rest(const Generation& generation, const Turn& turn) {
  const auto facts = checkpoint::file_facts(generation.file->fd.get());
  const bool plain = generation.file->compression == Compression::kNone;
  const uint64_t size = facts && plain ? facts.value().size_bytes : 0;
  const bool last = !generations_.has_next();
  const bool unread = plain ? size > cursor_.offset() : !cursor_.ended();
  if (!unread && last) return FillOutcome::kDrained;
  if (cursor_.has_begun() && (unread || !next_goes_on())) return end_begun(turn);
  if (unread) loss_.over_budget(plain ? size : 0);
  if (last && !plain) return end();
  if (!last) start_next(turn.now_ns);
  return FillOutcome::kMoved;
}

// The bytes before the offset are not those that were read.
Result<FillOutcome> Tail::changed(int fd, uint64_t size_bytes, const Turn& turn) {
  turn.chunk.read.clear();
  if (power_loss_.explains_change()) {
    if (cursor_.has_begun()) return end_begun(turn);
    const auto resumed = power_loss_.resume(fd);
    if (!resumed) return resumed.error();
    if (!resumed.value()) return go_on_soon(turn.now_ns);
  } else {
    if (!copytruncate_.decided(turn.now_ns)) {
      recheck_at(copytruncate_.deadline_ns());
      return FillOutcome::kDrained;
    }
    const auto copy = look_for_copy(turn.now_ns);
    if (!copy) return copy.error();
    if (*copy == ArchiveProof::Is::kMore) return FillOutcome::kDrained;
    if (copytruncate_.candidate() == nullptr && !cursor_.has_begun()) remember_truncated();
    if (auto copies = copytruncate_.take_copies(); !copies.empty()) {
      const checkpoint::FileIdentity first = copies.front()->identity;
      generations_.insert_copies(std::move(copies));
      cursor_.move_to_copy(first);
    } else {
      if (cursor_.has_begun()) return end_begun(turn);
      truncations_.truncated(size_bytes, turn.now_ns);
      copytruncate_.restart_file(fd);
      power_loss_.forget_ahead();
      run_ends_.forget(cursor_.file());
    }
  }
  nuls_.forget();
  content_.forget();
  closing_.reopen();
  return FillOutcome::kMoved;
}

// So that copies of it are known.
void Tail::remember_truncated() {
  if (cursor_.offset() == 0) return;
  const checkpoint::Beginning read = cursor_.beginning();
  for (const auto& copy : copytruncate_.copies()) {
    const auto facts = checkpoint::file_facts(copy->fd.get());
    if (facts && was_copied(*copy, facts->size_bytes, read)) cursor_.close_copy(copy->identity);
  }
  if (truncated_.size() == limits::kTruncatedKept) truncated_.erase(truncated_.begin());
  truncated_.push_back(read);
}

Result<FillOutcome> Tail::pass_zeros(int fd) {
  if (Status passed = power_loss_.pass_zeros(fd); !passed) return passed.error();
  content_.forget();
  closing_.reopen();
  return FillOutcome::kMoved;
}

// There is more to look at than one turn may take: other sources have theirs first.
FillOutcome Tail::go_on_soon(int64_t now_ns) {
  recheck_at(std::max<int64_t>(now_ns, 1));
  return FillOutcome::kDrained;
}

Result<FillOutcome> Tail::read_failed(const Error& error, uint64_t at_offset, int64_t now_ns) {
  const int64_t again_at_ns = loss_.read_failed(error, at_offset, now_ns);
  recheck_at(again_at_ns);
  if (again_at_ns != 0) return error;
  return FillOutcome::kMoved;
}

}  // namespace longshore::agent
