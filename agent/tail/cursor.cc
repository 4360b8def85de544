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

void Cursor::start(const checkpoint::FileIdentity& file, uint64_t offset, std::string overlap,
                   uint64_t boot) {
  assert(!begun());
  state_.file = file;
  state_.offset = offset;
  state_.covered = position();
  state_.tail = std::move(overlap);
  state_.boot = boot;
  marker_.reset(offset);
  moved();
}

void Cursor::advance(std::string_view read, DecodeState to) {
  const size_t overlap = state_.tail.size();
  assert(to.offset >= state_.offset && read.size() == overlap + (to.offset - state_.offset));
  marker_.add(read.substr(overlap));
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
  marker_.reset(end_offset);
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
  state_.seen_bytes = 0;
  lose_unknown();
  moved();
}

void Cursor::next_generation(const checkpoint::FileIdentity& file) {
  close(state_.file);
  begin_generation(0);
  state_.file = file;
}

void Cursor::restart_file(uint64_t offset) {
  assert(!has_begun());
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
  state_.seen_bytes = 0;
  moved();
}

void Cursor::move_to_copy(const checkpoint::FileIdentity& copy) {
  state_.file = copy;
  state_.seen_bytes = 0;
}

void Cursor::move_to_original(const checkpoint::FileIdentity& original) {
  close(state_.file);
  state_.file = original;
  state_.seen_bytes = 0;
}

void Cursor::close(const checkpoint::FileIdentity& file) {
  auto& closed = state_.closed;
  std::erase(closed, file);
  closed.push_back(file);
  if (closed.size() > limits::kClosedGenerationsMax) closed.erase(closed.begin());
}

void Cursor::rewind(const checkpoint::SourceState& state) {
  state_ = state;
  state_.marks = {};
  recent_.clear();
  // A database that was tampered with may hold anything. Marks that do not end at the offset
  // prove nothing.
  const bool proven = state.marks.end() == state.offset && state.tail.size() <= state.offset;
  marker_ = checkpoint::Marker(proven ? state.marks : checkpoint::MarkList{state.offset, {}});
  if (state_.tail.size() > state_.offset) state_.tail.clear();
  state_.covered = std::min(state_.covered, position());
  if (state_.begun.text.size() > position().bytes - state_.covered.bytes) state_.begun = {};
  moved();
}

void Cursor::set_destination(const std::string& topic, int32_t partition) {
  state_.topic = topic;
  state_.partition = partition;
}

}  // namespace longshore::agent
