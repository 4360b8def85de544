// The part of a tail that reads compressed generations, and what comes late to closed ones.
#include <simdjson.h>

#include <algorithm>
#include <utility>

#include "agent/decode/not_text.h"
#include "agent/tail/tail.h"
#include "config/limits.h"

namespace longshore::agent {

ArchiveProof& Tail::proof() {
  if (proof_ == nullptr) proof_ = std::make_unique<ArchiveProof>(cursor_, elsewhere_, *reader_);
  return *proof_;
}

// Where the present file ends, as far as it was read, so that it is known again. Unknown if it is
// gone, or if its last bytes could not be read.
checkpoint::ClosedEnd Tail::end_of_file() const {
  const Generation* const generation = generations_.current();
  const size_t overlap = std::min<uint64_t>(cursor_.offset(), limits::kOverlapBytes);
  if (generation == nullptr || cursor_.overlap().size() < overlap) return {};
  // Reading never goes back in it.
  if (generation->file->compression != Compression::kNone) return cursor_.end();
  const auto head = checkpoint::head_hash(generation->file->fd.get(), cursor_.offset());
  if (!head) return {};
  return {cursor_.offset(), *head, checkpoint::content_hash(cursor_.overlap())};
}

void Tail::watch_closed(std::shared_ptr<const OpenFile> file,
                        const checkpoint::FileIdentity& closed, int64_t now_ns) {
  if (late_ == nullptr) late_ = std::make_unique<LateWrites>(cursor_, *reader_, rotate_wait_ns_);
  late_->watch(std::move(file), closed, now_ns);
}

Result<FillOutcome> Tail::read_late(const Turn& turn) {
  const auto late = late_->read(*decoder_, turn.chunk, turn.encoder, turn.now_ns, turn.wall_ns);
  if (!late) return late.error();
  recheck_at(late->again_at_ns);
  if (!late->moved) return FillOutcome::kDrained;
  read_last_bytes_ = turn.chunk.read.size();
  return turn.chunk.messages.empty() ? FillOutcome::kMoved : FillOutcome::kRecords;
}

// Empty: the compressed file that is next comes next, and holds nothing that was read before. If
// the present file is gone, what was read of it may stand in any later one: an empty file was
// rotated before it.
Result<Tail::Met> Tail::prove_archive(const Turn& turn) {
  const bool is_gone = generations_.current() == nullptr && cursor_.offset() > 0;
  // By value: what is judged may be dropped.
  const std::vector<Generation> all = generations_.files();
  const auto next = std::ranges::find(all, generations_.next().file, &Generation::file);
  for (auto each = next; each != all.end(); ++each) {
    if (each != next && !is_gone) break;
    const auto& file = each->file;
    const bool is_judged =
        std::ranges::find(others_, file->identity, &Other::file) != others_.end();
    if (file->compression == Compression::kNone || is_judged) continue;
    auto met = prove_archive(file, turn);
    if (!met || *met) return met;
    others_.push_back({file->identity, proof().is_empty()});
  }
  if (generations_.current() != nullptr || cursor_.offset() > 0) return Met();
  // Nothing was read of the present file, so no content tells.
  loss_.replaced_unread();
  move_to(next->file->identity);
  return Met(FillOutcome::kMoved);
}

Result<Tail::Met> Tail::prove_archive(const std::shared_ptr<const OpenFile>& file,
                                      const Turn& turn) {
  const auto is = proof().look(file, turn.now_ns);
  // If it fails for long, reading will fail too, and names the loss.
  if (!is && !loss_.fails_for_long(turn.now_ns)) {
    recheck_at(turn.now_ns + limits::kUnreadableRereadNs);
    return is.error();
  }
  switch (is ? *is : ArchiveProof::Is::kOther) {
    case ArchiveProof::Is::kMore:
      recheck_at(proof().again_at_ns());
      return Met(FillOutcome::kDrained);
    case ArchiveProof::Is::kClosed:
      // Nothing comes late to what was truncated.
      if (proof().closed() != checkpoint::FileIdentity{}) {
        watch_closed(file, proof().closed(), turn.now_ns);
      }
      generations_.drop(file->identity);
      // What is found of the present file is being told of.
      if (generations_.empty()) left_alone_ns_ = turn.now_ns + limits::kCopyWaitNs;
      return Met(FillOutcome::kMoved);
    case ArchiveProof::Is::kCurrent:
      if (proof().head() != 0) cursor_.expect_head(proof().head());
      drop_older();
      move_to(file->identity, end_of_file());
      return Met(FillOutcome::kMoved);
    case ArchiveProof::Is::kOther:
      break;
  }
  return Met();
}

// Of the log only files that were read before are left.
FillOutcome Tail::left_alone(int64_t now_ns) {
  if (left_alone_ns_ == 0 || cursor_.ended()) return FillOutcome::kDrained;
  if (now_ns < left_alone_ns_) {
    recheck_at(left_alone_ns_);
    return FillOutcome::kDrained;
  }
  loss_.deleted_unseen();
  return end();
}

// The next compressed file that was not judged yet holds what was read of the present one, which is
// gone: those before it are older.
void Tail::drop_older() {
  for (const Other& other : others_) {
    if (generations_.current() != nullptr || generations_.find(other.file) == nullptr) continue;
    if (!other.is_empty) loss_.older_left_out();
    generations_.drop(other.file);
  }
}

// Whether any of the copies of the truncated file holds what was read of it.
Result<ArchiveProof::Is> Tail::look_for_copy(int64_t now_ns) {
  while (const auto copy = copytruncate_.candidate()) {
    if (copy->compression == Compression::kNone) {
      if (holds_what_was_read(*copy, cursor_)) return ArchiveProof::Is::kCurrent;
      copytruncate_.reject();
      continue;
    }
    const auto is = proof().look(copy, now_ns);
    if (!is && !loss_.fails_for_long(now_ns)) {
      recheck_at(now_ns + limits::kUnreadableRereadNs);
      return is;
    }
    if (is && *is == ArchiveProof::Is::kMore) recheck_at(proof().again_at_ns());
    // So that what is read of it is known again when it is closed.
    if (is && *is == ArchiveProof::Is::kCurrent && proof().head() != 0) {
      cursor_.expect_head(proof().head());
    }
    if (is && (*is == ArchiveProof::Is::kMore || *is == ArchiveProof::Is::kCurrent)) return is;
    copytruncate_.reject();
  }
  return ArchiveProof::Is::kOther;
}

Result<FillOutcome> Tail::read_archive(const Generation& generation, const Turn& turn) {
  if (unpacked_ == generation.file->identity) return archive_unpacked(turn);
  const size_t overlap = cursor_.overlap().size();
  shipper::Buffer& into = turn.chunk.read;
  for (;;) {
    const size_t want = overlap + window_.bytes();
    into.clear();
    into.reserve(want + simdjson::SIMDJSON_PADDING);
    const auto read =
        reader_->read(generation.file, cursor_.offset() - overlap, want, into.data(), turn.now_ns);
    if (!read) {
      if (loss_.fails_for_long(turn.now_ns)) {
        return archive_ended(generation, {.bytes = {}, .broken = read.error().message}, turn);
      }
      recheck_at(turn.now_ns + limits::kUnreadableRereadNs);
      return read.error();
    }
    const std::string_view bytes = read->bytes;
    read_last_bytes_ = bytes.size();
    into.resize(bytes.size());
    if (read->again_at_ns != 0 && bytes.size() < want) {
      recheck_at(read->again_at_ns);
      return FillOutcome::kDrained;
    }
    if (bytes.substr(0, overlap) != cursor_.overlap()) {
      return archive_ended(generation, *read, turn);
    }
    const bool no_more = read->is_complete || (!read->broken.empty() && !read->is_cut_short);
    const bool last = read->at_end && (no_more || (read->is_cut_short && closing_.over()));
    Window window = window_on(bytes.substr(overlap), turn);
    window.full = window_.at_max() && bytes.size() == want;
    window.last = last;
    window.goes_on = last && read->is_complete && next_goes_on();
    FillOutcome outcome = decode(window, bytes, turn);
    if (outcome == FillOutcome::kDrained && window.full) outcome = pass_nuls(window, bytes, turn);
    if (outcome != FillOutcome::kDrained) {
      closing_.grew(turn.now_ns);
      loss_.read_succeeded();
      return outcome;
    }
    if (read->at_end) return archive_ended(generation, *read, turn);
    window_.widen();
  }
}

// The full window ends with NULs. Nobody will replace them.
FillOutcome Tail::pass_nuls(Window window, std::string_view read, const Turn& turn) {
  const size_t nuls = count_last_nuls(window.bytes);
  if (nuls < window.bytes.size()) {
    window.bytes.remove_suffix(nuls);
    window.full = false;
    window.last = true;
    return decode(window, read.substr(0, read.size() - nuls), turn);
  }
  cursor_.advance(read, {.offset = cursor_.offset() + nuls,
                         .covered = cursor_.covered(),
                         .part = cursor_.part(),
                         .begun = cursor_.lend_begun()});
  return FillOutcome::kMoved;
}

// All that can be unpacked was read.
Result<FillOutcome> Tail::archive_ended(const Generation& generation, const LogBytes& read,
                                        const Turn& turn) {
  if (!read.is_complete && read.is_cut_short && !closing_.over()) {
    // Whoever compresses it may still be at work. Then its last line is as complete as it gets.
    recheck_at(closing_.ask_again_ns(generation.file->fd.get(), turn.now_ns));
    return closing_.over() ? FillOutcome::kMoved : FillOutcome::kDrained;
  }
  if (!read.is_complete && !cursor_.ended()) {
    turn.chunk.read.clear();
    if (cursor_.has_begun()) return end_begun(turn);
    loss_.archive_broken(read.broken);
    if (!generations_.has_next()) return end();
    cursor_.set_ended();
    return FillOutcome::kMoved;
  }
  // Tails share few unpackers: one that has this one's and waits for another would block them all.
  reader_->release(*generation.file);
  if (read.is_complete || generations_.has_next()) unpacked_ = generation.file->identity;
  return archive_unpacked(turn);
}

Result<FillOutcome> Tail::archive_unpacked(const Turn& turn) {
  if (generations_.has_next()) return go_on_in(generations_.next(), turn);
  return cursor_.ended() ? FillOutcome::kDrained : end();
}

}  // namespace longshore::agent
