// What a tail cannot read, and how it says so: positions go on behind a loss of known length, so
// that the records around it and the ledger's entry meet.
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "agent/tail/tail.h"
#include "config/limits.h"

namespace longshore::agent {
namespace {

constexpr int64_t kUnreadableNs = 60'000'000'000;  // For so long an unreadable place is retried.
constexpr int64_t kReadAgainNs = 1'000'000'000;
constexpr int64_t kCopyWaitNs = 2'000'000'000;
constexpr uint64_t kBlockBytes = 4096;
constexpr size_t kStepBytes = 64 << 10;

// One read of at most `bytes`; shorter at the end of the file. Errors: kRetryable.
Result<std::string> read_piece(int fd, uint64_t offset, size_t bytes) {
  std::string piece(bytes, '\0');
  ssize_t got = -1;
  do {
    got = ::pread(fd, piece.data(), bytes, static_cast<off_t>(offset));
  } while (got < 0 && errno == EINTR);
  if (got < 0) {
    return Error{ErrorCode::kRetryable,
                 "read at offset " + std::to_string(offset) + ": " + std::strerror(errno)};
  }
  piece.resize(static_cast<size_t>(got));
  return piece;
}

// The begin of the line that `offset` lies in: behind the newline before it, not before `floor`.
// A line longer than a record's room is cut where it stands.
Result<uint64_t> line_begin(int fd, uint64_t offset, uint64_t floor) {
  const uint64_t least =
      std::max(floor, offset - std::min<uint64_t>(offset, limits::kReadBytesMax));
  for (uint64_t end = offset; end > least;) {
    const uint64_t begin = end - std::min<uint64_t>(end - least, kStepBytes);
    const auto piece = read_piece(fd, begin, end - begin);
    if (!piece) return piece.error();
    const size_t newline = piece.value().rfind('\n');
    if (newline != std::string::npos) return begin + newline + 1;
    end = begin;
  }
  return least == floor ? floor : offset;
}

}  // namespace

void Tail::say(LedgerEvent event, Position start, Position end, const char* reason,
               std::string detail) {
  events_.push_back({.time_ns = 0,
                     .source = {},
                     .lane = {},
                     .start = start,
                     .end = end,
                     .reason = reason,
                     .detail = std::move(detail),
                     .event = event,
                     .generation = state_.generation});
}

// What stands in the current generation from here to `end_offset` will not come; not known when
// that is not behind us.
void Tail::lose(uint64_t end_offset, const char* reason, std::string detail) {
  const bool known = end_offset > state_.offset;
  state_.offset = std::max(state_.offset, end_offset);
  const Position end{state_.base.bytes + state_.offset};
  const Position start = known ? state_.covered : end;
  say(LedgerEvent::kLost, start, end, reason, std::move(detail));
  if (known) state_.covered = end;
  state_.gap_pending = true;
  state_.part = 0;
}

void Tail::give_up(const checkpoint::FileIdentity& identity) {
  for (Generation& generation : generations_) {
    if (generation.file->identity == identity) generation.given_up = true;
  }
}

// Should the file come back after all, it is read on from where it stood, at new positions.
FillOutcome Tail::lose_vanished() {
  if (state_.ended) return FillOutcome::kDrained;
  const uint64_t stood = state_.offset;
  lose(state_.seen_bytes, "deleted",
       "the file was deleted while no agent held it; what was written to it behind its offset " +
           std::to_string(std::max(state_.offset, state_.seen_bytes)) + " is not known");
  state_.base.bytes += state_.offset - stood;
  state_.offset = stood;
  state_.seen_bytes = 0;
  state_.ended = true;
  say(LedgerEvent::kEnded, {}, state_.covered);
  return FillOutcome::kMoved;
}

FillOutcome Tail::lose_given_up(const Generation& generation) {
  const auto facts = checkpoint::file_facts(generation.file->fd.get());
  const uint64_t size = facts ? facts.value().size_bytes : state_.offset;
  const bool last = !has_successor();
  if (size <= state_.offset && last) return FillOutcome::kDrained;
  if (size > state_.offset) {
    lose(size, "deleted beyond the budget",
         "the file was deleted, and such files took more of the disk than --deleted-bytes admits");
    state_.tail.clear();
    marker_.reset(state_.offset);
  }
  if (!last) start_next();
  return FillOutcome::kMoved;
}

void Tail::add_copy(std::shared_ptr<const OpenFile> copy) {
  copy_ = std::move(copy);
  copy_answered_ = true;
}

// What was not read of a truncated file may stand in a copy that was made before.
FillOutcome Tail::truncated(int fd, int64_t now_ns) {
  if (copy_until_ns_ == 0) {
    copy_until_ns_ = now_ns + kCopyWaitNs;
    wants_copy_ = true;
    copy_answered_ = false;
    copy_ = nullptr;
  }
  if (!copy_answered_ && now_ns < copy_until_ns_) {
    recheck_at_ns_ = copy_until_ns_;
    return FillOutcome::kDrained;
  }
  copy_until_ns_ = 0;
  const auto copy = std::exchange(copy_, nullptr);
  if (copy != nullptr && is_copy(*copy)) {
    switch_to(copy);
  } else {
    restart_truncated(fd);
  }
  return FillOutcome::kMoved;
}

// Whether all that was read of our file, as far as the marks go, stands in this one too.
bool Tail::is_copy(const OpenFile& file) const {
  const int fd = file.fd.get();
  const size_t overlap = state_.tail.size();
  const auto before = read_piece(fd, state_.offset - overlap, overlap);
  if (!before || before.value() != state_.tail) return false;
  const checkpoint::MarkList marks = marker_.list();
  const auto proven = checkpoint::proven_prefix(fd, marks);
  return proven && proven.value() == marks.end();
}

// Whether copytruncate was met between its two steps: our file is the copy, and `next`, what it was
// made of, has not been truncated yet. It is read on behind what the copy had. What is rotated by
// renaming is older than the file that follows it.
bool Tail::is_original(const Generation& next) const {
  return state_.offset > 0 && !next.truncated &&
         next.file->identity.born_ns() <= state_.file.born_ns() && is_copy(*next.file);
}

// The copy becomes the generation that is being read, at the same offset; our file follows it.
void Tail::switch_to(std::shared_ptr<const OpenFile> copy) {
  const auto is_current = [&](const auto& known) { return known.file->identity == state_.file; };
  const auto at = std::find_if(generations_.begin(), generations_.end(), is_current);
  at->truncated = true;
  state_.file = copy->identity;
  state_.seen_bytes = 0;
  closing_ = false;
  const bool known = std::any_of(generations_.begin(), generations_.end(), is_current);
  if (!known) generations_.insert(at, {std::move(copy), 0, false, false, false});
}

// The file was cut or written anew under the same inode: a new generation in the old file.
void Tail::restart_truncated(int fd) {
  const auto facts = checkpoint::file_facts(fd);
  const uint64_t size = facts ? facts.value().size_bytes : 0;
  const uint64_t seen = std::max(state_.offset, state_.seen_bytes);
  lose(state_.seen_bytes, "truncated",
       "the file was truncated or rewritten; it has " + std::to_string(size) +
           " bytes now, what stood behind its offset " + std::to_string(seen) + " is not known");
  ++state_.generation;
  state_.base.bytes += state_.offset;
  state_.seen_bytes = 0;
  state_.tail.clear();
  // A writer without O_APPEND goes on at its old offset and leaves a hole: no line is in there.
  const off_t data = ::lseek(fd, 0, SEEK_DATA);
  state_.offset = data > 0 ? static_cast<uint64_t>(data) : 0;
  marker_.reset(state_.offset);
  closing_ = false;
  ahead_.reset();
}

// The host went down, and the file lost what was not synced of it: it is shorter, or zeros stand
// where bytes were. What was read of it before was shipped, so we go on behind what is left of
// that. Zeros show where this ends. Without them the marks do, to within one span: from the last
// line that they prove whole on, lines may be sent twice, and the ledger says so.
Result<FillOutcome> Tail::resume_by_marks(int fd, int64_t now_ns) {
  const checkpoint::MarkList marks = marker_.list();
  if (!behind_ || behind_->file() != state_.file || behind_->limit() != state_.offset) {
    const auto prefix = checkpoint::proven_prefix(fd, marks);
    if (!prefix) return prefix.error();
    behind_ = std::make_unique<ZeroSearch>(state_.file, prefix.value(), state_.offset);
  }
  if (Status looked = behind_->look_on(fd); !looked) return looked.error();
  if (!behind_->done()) return look_on_soon(now_ns);
  const ZeroSearch zeros = *behind_;
  const uint64_t proven = zeros.from();
  const Position at{state_.base.bytes + state_.offset};
  const std::string was =
      "the host went down while the file had " + std::to_string(state_.offset) + " shipped bytes; ";
  // What stands before them is as it was only if the power was lost once: else it may have been
  // written behind the first loss.
  if (zeros.found() && state_.boot == boots_.before) {
    const std::string left =
        "of what followed, only zeros are left up to its offset " + std::to_string(zeros.end());
    if (zeros.end() > state_.offset) {
      lose(zeros.end(), "power loss", was + left);
      const Status resumed = resume_at(fd, state_.offset, proven);
      return resumed ? FillOutcome::kMoved : Result<FillOutcome>(resumed.error());
    }
    // They may as well be of an earlier loss, or have shipped lines behind them.
    const Position twice{state_.base.bytes + zeros.end()};
    if (Status resumed = resume_at(fd, zeros.end(), proven); !resumed) return resumed.error();
    if (twice != at) say(LedgerEvent::kDoubt, twice, at, "possible duplicates", was + left);
    say(LedgerEvent::kLost, at, at, "power loss", was + left);
    return FillOutcome::kMoved;
  }
  // Where nothing is proven it may be another file altogether, and begins at its beginning.
  const bool any = proven > marks.begin;
  const auto line = any ? line_begin(fd, proven, marks.begin) : Result<uint64_t>(0);
  if (!line) return line.error();
  const Position twice{state_.base.bytes + line.value()};
  if (Status resumed = resume_at(fd, line.value(), proven); !resumed) return resumed.error();
  say(LedgerEvent::kDoubt, twice, at, "possible duplicates",
      was + "it is read again from its offset " + std::to_string(line.value()) +
          " on, behind the last line that is proven to be as it was");
  say(LedgerEvent::kLost, at, at, "power loss", was + "what else stood there is not known");
  return FillOutcome::kMoved;
}

// There is more to look at than one turn may take: others have theirs before it goes on.
FillOutcome Tail::look_on_soon(int64_t now_ns) {
  recheck_at_ns_ = std::max<int64_t>(now_ns, 1);
  return FillOutcome::kDrained;
}

// After a power loss, before anything is read: what was seen behind us may be gone, or zeros. True:
// something was said. Until all of it was looked at, the file counts as last seen before. A search
// outlives a rewind: what it found of a file stays as it is.
Result<bool> Tail::look_ahead(int fd) {
  if (!rebooted()) {
    state_.boot = boots_.now;
    return false;
  }
  const auto facts = checkpoint::file_facts(fd);
  if (!facts) return facts.error();
  if (const uint64_t seen = state_.seen_bytes; facts->size_bytes < seen) {
    state_.seen_bytes = 0;
    lose(state_.offset, "power loss",
         "the host went down while the file had " + std::to_string(seen) + " bytes; it has " +
             std::to_string(facts->size_bytes) + " now");
    return true;
  }
  if (!ahead_ || ahead_->file() != state_.file || state_.offset < ahead_->from() ||
      state_.offset > ahead_->begin()) {
    ahead_ = std::make_unique<ZeroSearch>(state_.file, state_.offset, facts->size_bytes);
  }
  // Beyond the window: a line that fills it has to be taken in parts.
  if (ahead_->begin() <= state_.offset + read_bytes_) {
    if (Status looked = ahead_->look_on(fd); !looked) return looked.error();
  }
  if (ahead_->done() && !ahead_->found() && !has_successor()) state_.boot = boots_.now;
  return false;
}

// How far behind our offset what stands there may be read for what it is.
uint64_t Tail::clear_bytes() const {
  if (!rebooted() || (ahead_->done() && !ahead_->found())) return UINT64_MAX;
  return ahead_->begin() - state_.offset;
}

Result<FillOutcome> Tail::pass_zeros(int fd) {
  const uint64_t stood = state_.offset;
  const ZeroSearch zeros = *ahead_;
  lose(zeros.end(), "power loss",
       "the host went down; only zeros are left from its offset " + std::to_string(zeros.begin()) +
           " up to " + std::to_string(zeros.end()));
  if (Status resumed = resume_at(fd, state_.offset, stood); !resumed) return resumed.error();
  return FillOutcome::kMoved;
}

// On at `offset` of the same file, which is as it was up to `proven`; positions go on.
Status Tail::resume_at(int fd, uint64_t offset, uint64_t proven) {
  checkpoint::MarkList marks = marker_.list();
  const uint64_t kept = std::min(offset, proven);
  while (!marks.marks.empty() && marks.marks.back().end > kept) marks.marks.pop_back();
  if (marks.end() > offset || offset - marks.end() > limits::kReadBytesMax) marks = {offset, {}};
  const auto rest = read_piece(fd, marks.end(), offset - marks.end());
  if (!rest) return rest.error();
  if (rest.value().size() < offset - marks.end()) {
    return Error{ErrorCode::kRetryable, "the file changes while it is compared"};
  }
  marker_ = checkpoint::Marker(marks);
  marker_.add(rest.value());
  // A span ends here: what was passed over now is no loss of the next time.
  marker_ = checkpoint::Marker(marker_.list());
  const size_t overlap = std::min<uint64_t>(offset, limits::kOverlapBytes);
  const auto tail = read_piece(fd, offset - overlap, overlap);
  if (!tail) return tail.error();
  state_.base.bytes = state_.base.bytes + state_.offset - offset;
  state_.offset = offset;
  state_.covered = {state_.base.bytes + offset};
  state_.tail = tail.value();
  state_.part = 0;
  state_.gap_pending = true;
  state_.seen_bytes = 0;
  closing_ = false;
  ahead_.reset();
  behind_.reset();
  return ok();
}

// Tried again for a minute; then the rest of its block is passed over.
Result<FillOutcome> Tail::read_failed(const Error& error, uint64_t at_offset, int64_t now_ns) {
  if (failing_since_ns_ == 0) failing_since_ns_ = now_ns;
  if (now_ns - failing_since_ns_ < kUnreadableNs) {
    recheck_at_ns_ = now_ns + kReadAgainNs;
    return error;
  }
  failing_since_ns_ = 0;
  const uint64_t end = (at_offset / kBlockBytes + 1) * kBlockBytes;
  lose(std::max(end, state_.offset + 1), "unreadable", error.message);
  state_.tail.clear();
  marker_.reset(state_.offset);
  return FillOutcome::kMoved;
}

}  // namespace longshore::agent
