#include "agent/tail/tail.h"

#include <simdjson.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>

#include "config/limits.h"

namespace longshore::agent {
namespace {

constexpr int64_t kWriterPollNs = 200'000'000;
constexpr size_t kReadBytesMin = 16 << 10;

// What was read before the end of the file, or before the error.
struct Read {
  size_t bytes = 0;
  Status status = ok();
};

Read read_at(int fd, char* into, size_t bytes, uint64_t offset) {
  Read read;
  while (read.bytes < bytes) {
    const ssize_t got =
        ::pread(fd, into + read.bytes, bytes - read.bytes, static_cast<off_t>(offset + read.bytes));
    if (got > 0) {
      read.bytes += static_cast<size_t>(got);
    } else if (got == 0) {
      break;
    } else if (errno != EINTR) {
      read.status =
          Error{ErrorCode::kRetryable, "read at offset " + std::to_string(offset + read.bytes) +
                                           ": " + std::strerror(errno)};
      break;
    }
  }
  return read;
}

// What a file holds behind `offset`, and a little for what it gets meanwhile.
size_t ahead_of(int fd, uint64_t offset) {
  const auto facts = checkpoint::file_facts(fd);
  if (!facts) return limits::kReadBytesMax;
  const uint64_t size = facts.value().size_bytes;
  return (size > offset ? size - offset : 0) + limits::kReadSlackBytes;
}

}  // namespace

Tail::Tail(Stream stream, checkpoint::SourceState state, int64_t rotate_wait_ns, Boots boots)
    : decoder_(make_decoder(stream)),
      rotate_wait_ns_(rotate_wait_ns),
      boots_(boots),
      read_bytes_(limits::kReadBytesUsual) {
  rewind(state);
}

void Tail::add(std::shared_ptr<const OpenFile> file, uint64_t start_offset, bool gap_before) {
  const auto same = [&](const checkpoint::FileIdentity& id) { return id == file->identity; };
  const auto& closed = state_.closed;
  if (std::any_of(closed.begin(), closed.end(), same)) return;
  // Older than all that is remembered of what was read.
  const bool all_known = closed.size() < limits::kClosedGenerationsMax;
  if (!all_known && file->identity.born_ns() < closed.front().born_ns()) return;
  vanished_ = false;
  for (Generation& known : generations_) {
    if (!same(known.file->identity)) continue;
    known.file = std::move(file);
    return;
  }
  generations_.push_back({std::move(file), start_offset, gap_before, false, false});
}

const Tail::Generation* Tail::current() const {
  for (const Generation& generation : generations_) {
    if (generation.file->identity == state_.file) return &generation;
  }
  return nullptr;
}

bool Tail::has_successor() const {
  return !generations_.empty() && generations_.back().file->identity != state_.file;
}

bool Tail::holds_deleted() const {
  return std::any_of(generations_.begin(), generations_.end(), [](const Generation& generation) {
    const auto facts = checkpoint::file_facts(generation.file->fd.get());
    return facts && facts.value().links == 0;
  });
}

checkpoint::SourceState Tail::state() const {
  checkpoint::SourceState state = state_;
  state.marks = marker_.list();
  if (const Generation* generation = current()) {
    const auto facts = checkpoint::file_facts(generation->file->fd.get());
    state.seen_bytes = std::max(state.offset, facts ? facts.value().size_bytes : 0);
  }
  return state;
}

void Tail::set_destination(const std::string& topic, int32_t partition) {
  state_.topic = topic;
  state_.partition = partition;
}

void Tail::rewind(const checkpoint::SourceState& state) {
  state_ = state;
  state_.marks = {};
  marker_ = checkpoint::Marker(state.marks);
  closing_ = false;
  recheck_at_ns_ = failing_since_ns_ = copy_until_ns_ = 0;
  wants_copy_ = false;
  met_ = {};
  events_.clear();
  // A state that was in doubt may turn out to be the confirmed one after files were added.
  std::erase_if(generations_, [&](const Generation& known) {
    return std::ranges::find(state_.closed, known.file->identity) != state_.closed.end();
  });
}

void Tail::confirmed(const checkpoint::SourceState& state) {
  const auto at = std::find_if(generations_.begin(), generations_.end(), [&](const auto& known) {
    return known.file->identity == state.file;
  });
  if (at == generations_.end()) return;
  if (state_.generation == state.generation) state_.seen_bytes = state.seen_bytes;
  const bool let_go = at->given_up && state.offset >= state.seen_bytes;
  generations_.erase(generations_.begin(), let_go ? std::next(at) : at);
}

std::vector<LedgerEntry> Tail::take_events() { return std::exchange(events_, {}); }

bool Tail::start_first(const Generation& generation) {
  state_.file = generation.file->identity;
  state_.offset = generation.start_offset;
  state_.boot = boots_.now;
  state_.covered = Position{state_.base.bytes + state_.offset};
  const size_t overlap = std::min<uint64_t>(state_.offset, limits::kOverlapBytes);
  std::string tail(overlap, '\0');
  const Read got =
      read_at(generation.file->fd.get(), tail.data(), overlap, state_.offset - overlap);
  if (got.bytes < overlap) {
    state_.file = {};
    return false;
  }
  state_.tail = std::move(tail);
  marker_.reset(state_.offset);
  say(LedgerEvent::kOpened, state_.covered, state_.covered);
  return true;
}

void Tail::begin() {
  if (begun() || generations_.empty()) return;
  start_first(generations_.front());
}

// The generation behind the current one, or the first that is there.
const Tail::Generation& Tail::next() const {
  const auto is_current = [&](const auto& known) { return known.file->identity == state_.file; };
  const auto at = std::find_if(generations_.begin(), generations_.end(), is_current);
  return at == generations_.end() ? generations_.front() : *std::next(at);
}

// What was current is behind us; positions and marks are the caller's.
void Tail::turn_to(const checkpoint::FileIdentity& file) {
  state_.closed.push_back(state_.file);
  if (state_.closed.size() > limits::kClosedGenerationsMax) {
    state_.closed.erase(state_.closed.begin());
  }
  state_.file = file;
  state_.seen_bytes = 0;
  closing_ = false;
  grew_at_ns_ = followed_at_ns_ = 0;
}

void Tail::start_next() {
  const Generation& following = next();
  // The log is older than what is behind us: that was a copy of it, and it was truncated, though
  // nobody saw it.
  const bool truncated =
      following.truncated || generations_.back().file->identity.born_ns() < state_.file.born_ns();
  turn_to(following.file->identity);
  ++state_.generation;
  state_.base.bytes += state_.offset;
  state_.offset = 0;
  state_.part = 0;
  state_.tail.clear();
  marker_.reset(0);
  if (truncated) {
    lose(0, "truncated",
         "the file was copied and truncated; its copy was read to its end, what was written "
         "between the two is not known");
  }
  if (following.gap_before) {
    lose(0, "generation unseen",
         "files that the log was rotated through came and went before they could be opened");
  }
  read_bytes_ = limits::kReadBytesUsual;
}

Result<FillOutcome> Tail::fill(shipper::Chunk& chunk, shipper::RecordEncoder& encoder,
                               int64_t now_ns, int64_t wall_ns) {
  recheck_at_ns_ = 0;
  if (vanished_) return lose_vanished();
  if (generations_.empty()) return FillOutcome::kDrained;
  const Generation* generation = current();
  if (generation == nullptr && begun()) {
    if (!state_.ended || state_.file != read_whole_) {
      lose(state_.seen_bytes, "generation unseen",
           "the file that was being read is gone; what was written to it behind its offset " +
               std::to_string(std::max(state_.offset, state_.seen_bytes)) + " is not known");
    }
    start_next();
    return FillOutcome::kMoved;
  }
  if (generation == nullptr) {
    generation = &generations_.front();
    if (!start_first(*generation)) return FillOutcome::kDrained;
  }
  if (generation->given_up) return lose_given_up(*generation);
  const int fd = generation->file->fd.get();
  const size_t overlap = state_.tail.size();
  for (bool sized = true;;) {
    const size_t window = sized ? std::min(read_bytes_, ahead_of(fd, state_.offset)) : read_bytes_;
    const size_t want = overlap + window;
    chunk.read.clear();
    chunk.read.reserve(want + simdjson::SIMDJSON_PADDING);
    const Read got = read_at(fd, chunk.read.data(), want, state_.offset - overlap);
    chunk.read.resize(got.bytes);
    read_last_bytes_ = got.bytes;
    std::string_view bytes(chunk.read.data(), got.bytes);
    if (!got.status && bytes.size() < overlap) {
      return read_failed(got.status.error(), state_.offset, now_ns);
    }
    if (bytes.substr(0, overlap) != state_.tail) {
      // What was as it should be once since the host went down was changed by somebody else.
      const bool lost_power = rebooted() && met_ != state_.file;
      return lost_power ? resume_by_marks(fd, now_ns) : truncated(fd, now_ns);
    }
    met_ = state_.file;
    copy_until_ns_ = 0;
    const auto said = look_ahead(fd);
    if (!said) return said.error();
    if (said.value()) return FillOutcome::kMoved;
    // Up to the zeros that a power loss left, nothing follows what stands there.
    const uint64_t clear = clear_bytes();
    const bool limited = clear <= bytes.size() - overlap;
    if (limited) bytes = bytes.substr(0, overlap + clear);
    const bool before_zeros = limited && ahead_->done();
    const bool at_end = !limited && got.status && got.bytes < want;
    const bool last = before_zeros || (at_end && (closing_ || ended_));
    const bool full = !limited && window >= limits::kReadBytesMax && got.bytes == want;
    const uint64_t before = state_.offset;
    const FillOutcome outcome = decode(chunk, encoder, bytes, last, full, wall_ns);
    if (state_.offset != before) grew_at_ns_ = now_ns;
    if (outcome != FillOutcome::kDrained) {
      failing_since_ns_ = 0;
      return outcome;
    }
    if (limited) return before_zeros ? pass_zeros(fd) : look_on_soon(now_ns);
    if (!got.status) {
      return read_failed(got.status.error(), state_.offset - overlap + got.bytes, now_ns);
    }
    if (at_end) return drained(*generation, now_ns, bytes.size() > overlap);
    // What holds more than it said has just grown, or its size means nothing.
    sized = false;
    if (window == read_bytes_) read_bytes_ = std::min(read_bytes_ * 2, limits::kReadBytesMax);
  }
}

// Everything that is there was read, but perhaps an unterminated rest.
Result<FillOutcome> Tail::drained(const Generation& generation, int64_t now_ns, bool rest) {
  failing_since_ns_ = 0;
  if (has_successor()) return close_generation(generation, now_ns, rest);
  const bool anything = state_.offset > 0 || state_.generation > 0;
  if (!ended_ || rest || state_.ended || !anything) return FillOutcome::kDrained;
  state_.ended = true;
  say(LedgerEvent::kEnded, {}, state_.covered);
  return FillOutcome::kMoved;
}

FillOutcome Tail::decode(shipper::Chunk& chunk, shipper::RecordEncoder& encoder,
                         std::string_view bytes, bool last, bool full, int64_t wall_ns) {
  const size_t overlap = state_.tail.size();
  const Window window{.bytes = bytes.substr(overlap),
                      .base = state_.base,
                      .now_ns = wall_ns,
                      .flags = state_.gap_pending ? uint32_t{shipper::kFlagGapBefore} : 0u,
                      .full = full,
                      .last = last};
  DecodeState at{.offset = state_.offset, .covered = state_.covered, .part = state_.part};
  if (!window.bytes.empty()) decoder_->decode(window, at, encoder, chunk);
  assert(at.offset >= state_.offset);
  const size_t consumed = at.offset - state_.offset;
  if (consumed == 0) return FillOutcome::kDrained;

  marker_.add(window.bytes.substr(0, consumed));
  const size_t keep = std::min(overlap + consumed, limits::kOverlapBytes);
  state_.tail.assign(bytes.substr(overlap + consumed - keep, keep));
  state_.offset = at.offset;
  state_.covered = at.covered;
  state_.part = at.part;
  state_.ended = false;
  follow_window(window.bytes.size(), consumed);
  if (chunk.messages.empty()) return FillOutcome::kMoved;
  state_.gap_pending = false;
  return FillOutcome::kRecords;
}

// What a chunk had no room for is read again, so the window stays little larger than what one
// takes.
void Tail::follow_window(size_t window_bytes, size_t consumed) {
  const size_t left = window_bytes - consumed;
  if (left > consumed / 4) {
    read_bytes_ = std::max(consumed + consumed / 8, kReadBytesMin);
  } else if (left < consumed / 16) {
    read_bytes_ = std::max(read_bytes_, std::min(read_bytes_ * 2, limits::kReadBytesUsual));
  }
}

// A generation with a successor is closed when nobody can write to it any more, or nobody did for
// the rotation's grace time.
FillOutcome Tail::close_generation(const Generation& generation, int64_t now_ns, bool rest) {
  if (closing_ && !rest) {
    say(LedgerEvent::kClosed, state_.base, {state_.base.bytes + state_.offset});
    start_next();
    return FillOutcome::kMoved;
  }
  // Its writer may have been quiet for long and still has to learn of the rotation.
  if (followed_at_ns_ == 0) followed_at_ns_ = now_ns;
  const int64_t quiet_at_ns = std::max(grew_at_ns_, followed_at_ns_) + rotate_wait_ns_;
  const bool quiet = now_ns >= quiet_at_ns;
  if (quiet || !checkpoint::has_writer(generation.file->fd.get())) {
    if (is_original(next())) {
      turn_to(next().file->identity);
    } else {
      closing_ = true;
    }
    return FillOutcome::kMoved;
  }
  recheck_at_ns_ = std::min(quiet_at_ns, now_ns + kWriterPollNs);
  return FillOutcome::kDrained;
}

}  // namespace longshore::agent
