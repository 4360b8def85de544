#include "agent/tail/cursor.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "config/limits.h"

namespace longshore::agent {

checkpoint::SourceState Cursor::state() const {
  checkpoint::SourceState state = state_;
  state.marks = marker_.list();
  return state;
}

void Cursor::moved() const {
  assert(marker_.end() == state_.offset);
  assert(state_.tail.size() <= state_.offset);
  assert(state_.covered <= position());
  assert(state_.begun.text.size() <= position().bytes - state_.covered.bytes);
}

void Cursor::start(const checkpoint::FileIdentity& file, uint64_t offset, std::string_view before,
                   uint64_t boot) {
  assert(!begun() && before.size() <= std::min<uint64_t>(offset, limits::kMarkSpanBytes));
  state_.file = file;
  state_.offset = offset;
  state_.covered = position();
  state_.tail = before.substr(before.size() - std::min(before.size(), limits::kOverlapBytes));
  state_.boot = boot;
  marker_.reset(offset - before.size());
  marker_.add(before);
  moved();
}

checkpoint::ClosedEnd Cursor::end() const {
  const checkpoint::MarkList marks = this->marks();
  const bool is_short = state_.offset < limits::kHeadBytes;
  const bool is_one_span = marks.begin == 0 && marks.marks.size() == 1;
  const uint64_t head =
      is_short && is_one_span ? std::max<uint64_t>(1, marks.marks.front().hash) : marks.head;
  const bool is_proven =
      state_.tail.size() == std::min(state_.offset, uint64_t{limits::kOverlapBytes});
  if (head == 0 || state_.offset == 0 || !is_proven) return {};
  return {state_.offset, head, checkpoint::content_hash(state_.tail)};
}

void Cursor::advance(std::string_view read, DecodeState to) {
  const size_t overlap = state_.tail.size();
  assert(to.offset >= state_.offset && read.size() == overlap + (to.offset - state_.offset));
  marker_.add(read.substr(overlap));
  if (state_.offset == 0 && read.size() >= limits::kHeadBytes) {
    marker_.set_head(checkpoint::content_hash(read.substr(0, limits::kHeadBytes)));
  }
  if (marker_.end() >= limits::kHeadBytes && expected_head_ != 0) {
    marker_.set_head(std::exchange(expected_head_, 0));
  }
  if (const auto span = marker_.open_span()) {
    if (recent_.size() == limits::kRecentReadsMax) recent_.erase(recent_.begin());
    recent_.push_back(*span);
  }
  state_.tail.assign(read.substr(read.size() - std::min(read.size(), limits::kOverlapBytes)));
  state_.offset = to.offset;
  state_.covered = to.covered;
  state_.part = to.part;
  state_.begun = std::move(to.begun);
  state_.ended = false;
  moved();
}

Range Cursor::lose_unknown() {
  state_.gap_pending = true;
  state_.part = 0;
  return {position(), position()};
}

void Cursor::pass_nuls(uint64_t end_offset, Proof proof) {
  assert(end_offset > state_.offset);
  state_.offset = end_offset;
  state_.tail = std::move(proof.overlap);
  marker_ = std::move(proof.marks);
  moved();
}

Range Cursor::skip(uint64_t end_offset) {
  assert(end_offset > state_.offset);
  const Position start = state_.covered;
  state_.begun = {};
  state_.offset = end_offset;
  state_.covered = position();
  state_.tail.clear();
  marker_.skip(end_offset);
  lose_unknown();
  moved();
  return {start, state_.covered};
}

Range Cursor::lose_unread() {
  const uint64_t unread = known_size() - state_.offset;
  state_.seen_bytes = 0;
  const Position start = state_.covered;
  state_.base.bytes += unread;
  const Range unknown = lose_unknown();
  if (unread == 0 && !has_begun()) return unknown;
  state_.begun = {};
  state_.covered = position();
  moved();
  return {start, state_.covered};
}

void Cursor::resume_at(uint64_t offset, Proof proof) {
  assert(!has_begun());
  if (offset < state_.offset) state_.base.bytes += state_.offset - offset;
  state_.offset = offset;
  state_.covered = position();
  state_.tail = std::move(proof.overlap);
  marker_ = std::move(proof.marks);
  forget_size();
  lose_unknown();
  moved();
}

void Cursor::next_generation(const checkpoint::FileIdentity& file,
                             const checkpoint::ClosedEnd& end) {
  close(state_.file, end);
  begin_generation(0);
  state_.file = file;
}

void Cursor::restart_file(uint64_t offset) {
  assert(!has_begun());
  if (const checkpoint::ClosedEnd read = end(); read.bytes > 0) close_truncated(read);
  begin_generation(offset);
}

void Cursor::begin_generation(uint64_t offset) {
  ++state_.generation;
  state_.base = position();
  state_.offset = offset;
  if (!has_begun()) state_.part = 0;
  state_.tail.clear();
  marker_.reset(offset);
  recent_.clear();
  expected_head_ = 0;
  forget_size();
  moved();
}

void Cursor::move_to_copy(const checkpoint::FileIdentity& copy) {
  state_.file = copy;
  forget_size();
}

void Cursor::move_to_original(const checkpoint::FileIdentity& other,
                              const checkpoint::ClosedEnd& end) {
  close(state_.file, end);
  state_.file = other;
  forget_size();
}

void Cursor::take_late(size_t index, std::string_view read, const DecodeState& to) {
  checkpoint::ClosedEnd& end = state_.ends[index];
  assert(state_.part == 0 && !has_begun() && to.begun.empty() && to.offset > end.bytes);
  const uint64_t late = to.offset - end.bytes;
  assert(read.size() >= late);
  end.bytes = to.offset;
  end.tail = checkpoint::content_hash(
      read.substr(read.size() - std::min(read.size(), limits::kOverlapBytes)));
  state_.base.bytes += late;
  state_.covered = to.covered;
  state_.ended = false;
  moved();
}

void Cursor::forget_size() {
  state_.seen_bytes = 0;
  state_.stamp = {};
  state_.settled = false;
}

void Cursor::close(const checkpoint::FileIdentity& file, const checkpoint::ClosedEnd& end) {
  auto& closed = state_.closed;
  auto& ends = state_.ends;
  if (const auto known = std::ranges::find(closed, file); known != closed.end()) {
    ends.erase(ends.begin() + (known - closed.begin()));
    closed.erase(known);
  }
  add_closed(file, end);
}

// A log that is truncated again and again must not make those be forgotten that have a file.
void Cursor::close_truncated(const checkpoint::ClosedEnd& end) {
  auto& closed = state_.closed;
  const auto is_truncated = [](const checkpoint::FileIdentity& file) {
    return file == checkpoint::FileIdentity{};
  };
  if (std::ranges::count_if(closed, is_truncated) >= limits::kTruncatedEndsMax) {
    const auto oldest = std::ranges::find_if(closed, is_truncated);
    state_.ends.erase(state_.ends.begin() + (oldest - closed.begin()));
    closed.erase(oldest);
  }
  add_closed({}, end);
}

void Cursor::add_closed(const checkpoint::FileIdentity& file, const checkpoint::ClosedEnd& end) {
  auto& closed = state_.closed;
  auto& ends = state_.ends;
  closed.push_back(file);
  ends.push_back(end);
  if (closed.size() <= limits::kClosedGenerationsMax) return;
  closed.erase(closed.begin());
  ends.erase(ends.begin());
}

void Cursor::rewind(const checkpoint::SourceState& state) {
  state_ = state;
  state_.marks = {};
  recent_.clear();
  expected_head_ = 0;
  // A database that was tampered with may hold anything. Marks that do not end at the offset
  // prove nothing.
  const bool proven = state.marks.end() == state.offset && state.tail.size() <= state.offset;
  marker_ = checkpoint::Marker(proven ? state.marks : checkpoint::MarkList{state.offset, {}});
  if (state_.tail.size() > state_.offset) state_.tail.clear();
  // Older versions did not store where generations ended.
  auto& ends = state_.ends;
  if (ends.size() > state_.closed.size()) ends.clear();
  ends.insert(ends.begin(), state_.closed.size() - ends.size(), checkpoint::ClosedEnd{});
  state_.covered = std::min(state_.covered, position());
  if (state_.begun.text.size() > position().bytes - state_.covered.bytes) state_.begun = {};
  moved();
}

void Cursor::expect_head(uint64_t hash) {
  if (state_.offset >= limits::kHeadBytes) {
    marker_.set_head(hash);
  } else {
    expected_head_ = hash;
  }
}

void Cursor::set_stamp(const checkpoint::FileStamp& stamp, int64_t wall_ns) {
  state_.stamp = stamp;
  state_.settled = stamp.changed_ns + limits::kFileClockNs < wall_ns;
}

void Cursor::add_truncation(uint64_t lost_bytes) {
  checkpoint::Truncations& waiting = state_.truncations;
  if (waiting.count++ == 0) waiting.first = position();
  waiting.last = position();
  waiting.lost_bytes += lost_bytes;
}

void Cursor::set_destination(const std::string& topic, int32_t partition) {
  state_.topic = topic;
  state_.partition = partition;
}

}  // namespace longshore::agent
