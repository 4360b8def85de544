#include "agent/tail.h"

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

Result<size_t> read_at(int fd, char* into, size_t bytes, uint64_t offset) {
  size_t done = 0;
  while (done < bytes) {
    const ssize_t got = ::pread(fd, into + done, bytes - done, static_cast<off_t>(offset + done));
    if (got > 0) {
      done += static_cast<size_t>(got);
    } else if (got == 0) {
      break;
    } else if (errno != EINTR) {
      return Error{ErrorCode::kRetryable, std::string("read at offset ") +
                                              std::to_string(offset + done) + ": " +
                                              std::strerror(errno)};
    }
  }
  return done;
}

}  // namespace

Tail::Tail(Stream stream, checkpoint::SourceState state, int64_t rotate_wait_ns)
    : decoder_(make_decoder(stream)),
      rotate_wait_ns_(rotate_wait_ns),
      read_bytes_(limits::kReadBytesUsual) {
  rewind(state);
}

void Tail::add(std::shared_ptr<const OpenFile> file, uint64_t start_offset, bool gap_before) {
  const auto same = [&](const checkpoint::FileIdentity& id) { return id == file->identity; };
  if (std::any_of(state_.closed.begin(), state_.closed.end(), same)) return;
  for (Generation& known : generations_) {
    if (!same(known.file->identity)) continue;
    known.file = std::move(file);
    return;
  }
  generations_.push_back({std::move(file), start_offset, gap_before});
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

checkpoint::SourceState Tail::state() const {
  checkpoint::SourceState state = state_;
  state.marks = marker_.list();
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
  recheck_at_ns_ = 0;
}

void Tail::confirmed(const checkpoint::SourceState& state) {
  const auto at = std::find_if(generations_.begin(), generations_.end(), [&](const auto& known) {
    return known.file->identity == state.file;
  });
  if (at != generations_.end()) generations_.erase(generations_.begin(), at);
}

std::vector<TailIncident> Tail::take_incidents() { return std::exchange(incidents_, {}); }

bool Tail::start_first(const Generation& generation) {
  state_.file = generation.file->identity;
  state_.offset = generation.start_offset;
  state_.covered = Position{state_.base.bytes + state_.offset};
  const size_t overlap = std::min<uint64_t>(state_.offset, limits::kOverlapBytes);
  std::string tail(overlap, '\0');
  const auto got =
      read_at(generation.file->fd.get(), tail.data(), overlap, state_.offset - overlap);
  if (!got || got.value() < overlap) {
    state_.file = {};
    return false;
  }
  state_.tail = std::move(tail);
  marker_.reset(state_.offset);
  return true;
}

void Tail::say_unseen(const std::string& detail) {
  const Position at{state_.base.bytes + state_.offset};
  incidents_.push_back({"generation unseen", at, at, detail});
  state_.gap_pending = true;
}

void Tail::start_next(const Generation& generation) {
  state_.closed.push_back(state_.file);
  if (state_.closed.size() > limits::kClosedGenerationsMax) {
    state_.closed.erase(state_.closed.begin());
  }
  ++state_.generation;
  state_.base.bytes += state_.offset;
  state_.file = generation.file->identity;
  state_.offset = 0;
  state_.part = 0;
  state_.tail.clear();
  marker_.reset(0);
  closing_ = false;
  if (generation.gap_before) {
    say_unseen("files that the log was rotated through came and went before they could be opened");
  }
  grew_at_ns_ = 0;
  read_bytes_ = limits::kReadBytesUsual;
}

// The file was cut or written anew under the same inode: a new generation in the old file.
void Tail::restart_truncated(int fd) {
  const auto facts = checkpoint::file_facts(fd);
  const uint64_t size = facts ? facts.value().size_bytes : 0;
  const Position at{state_.base.bytes + state_.offset};
  incidents_.push_back({"truncated", at, at,
                        "the file was truncated or rewritten at its offset " +
                            std::to_string(state_.offset) + "; it has " + std::to_string(size) +
                            " bytes now, what stood behind that offset is not known"});
  ++state_.generation;
  state_.base = at;
  state_.part = 0;
  state_.gap_pending = true;
  state_.tail.clear();
  // A writer without O_APPEND goes on at its old offset and leaves a hole: no line is in there.
  const off_t data = ::lseek(fd, 0, SEEK_DATA);
  state_.offset = data > 0 ? static_cast<uint64_t>(data) : 0;
  marker_.reset(state_.offset);
  closing_ = false;
}

Result<FillOutcome> Tail::fill(shipper::Chunk& chunk, shipper::RecordEncoder& encoder,
                               int64_t now_ns, int64_t wall_ns) {
  recheck_at_ns_ = 0;
  if (generations_.empty()) return FillOutcome::kDrained;
  const Generation* generation = current();
  if (generation == nullptr) {
    if (state_.file == checkpoint::FileIdentity{}) {
      if (!start_first(generations_.front())) return FillOutcome::kDrained;
    } else {
      say_unseen("the file that was being read is gone; what was written to it behind offset " +
                 std::to_string(state_.offset) + " is not known");
      start_next(generations_.front());
    }
    generation = current();
  }
  const int fd = generation->file->fd.get();
  const size_t overlap = state_.tail.size();
  for (;;) {
    const size_t want = overlap + read_bytes_;
    chunk.read.clear();
    chunk.read.reserve(want + simdjson::SIMDJSON_PADDING);
    const auto got = read_at(fd, chunk.read.data(), want, state_.offset - overlap);
    if (!got) return got.error();
    chunk.read.resize(got.value());
    const std::string_view bytes(chunk.read.data(), got.value());
    if (bytes.size() < overlap || bytes.substr(0, overlap) != state_.tail) {
      restart_truncated(fd);
      return FillOutcome::kMoved;
    }
    const bool at_end = got.value() < want;
    const bool full = read_bytes_ >= limits::kReadBytesMax && !at_end;
    const uint64_t before = state_.offset;
    const FillOutcome outcome = decode(chunk, encoder, bytes, at_end, full, wall_ns);
    if (state_.offset != before) grew_at_ns_ = now_ns;
    if (outcome != FillOutcome::kDrained) return outcome;
    if (at_end) {
      const bool rest = bytes.size() > overlap;
      return has_successor() ? close_generation(now_ns, rest) : FillOutcome::kDrained;
    }
    read_bytes_ = std::min(read_bytes_ * 2, limits::kReadBytesMax);
  }
}

FillOutcome Tail::decode(shipper::Chunk& chunk, shipper::RecordEncoder& encoder,
                         std::string_view bytes, bool at_end, bool full, int64_t wall_ns) {
  const size_t overlap = state_.tail.size();
  const Window window{.bytes = bytes.substr(overlap),
                      .base = state_.base,
                      .now_ns = wall_ns,
                      .flags = state_.gap_pending ? uint32_t{shipper::kFlagGapBefore} : 0u,
                      .full = full,
                      .last = at_end && (closing_ || ended_)};
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
  // A window that holds much more than a chunk takes would be read several times over.
  const bool chunk_was_full = consumed < window.bytes.size() / 2;
  read_bytes_ = chunk_was_full ? std::max(consumed + consumed / 4, kReadBytesMin)
                               : std::max(read_bytes_, limits::kReadBytesUsual);
  if (chunk.messages.empty()) return FillOutcome::kMoved;
  state_.gap_pending = false;
  return FillOutcome::kRecords;
}

// Everything of the current generation was read but perhaps an unterminated rest. It is closed when
// nobody can write to it any more, or nobody did for the rotation's grace time.
FillOutcome Tail::close_generation(int64_t now_ns, bool rest) {
  if (closing_ && !rest) {
    const auto next =
        std::find_if(generations_.begin(), generations_.end(),
                     [&](const auto& known) { return known.file->identity == state_.file; });
    start_next(*std::next(next));
    return FillOutcome::kMoved;
  }
  if (grew_at_ns_ == 0) grew_at_ns_ = now_ns;
  const bool quiet = now_ns - grew_at_ns_ >= rotate_wait_ns_;
  if (quiet || !checkpoint::has_writer(current()->file->fd.get())) {
    closing_ = true;
    return FillOutcome::kMoved;
  }
  recheck_at_ns_ = std::min(grew_at_ns_ + rotate_wait_ns_, now_ns + kWriterPollNs);
  return FillOutcome::kDrained;
}

}  // namespace longshore::agent
