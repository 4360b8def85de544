// Where a tail is in its source. Everything that describes the place moves together, in one of the
// moves below, or not at all:
//
//   file     0 ... [ mark ][ mark ][overlap] offset ->          what is read next
//   stream   base ................. covered ... base + offset   covered: start of the next record
//
// The marks and the overlap prove which bytes stand before the offset. After every move the marks
// end at the offset, and `covered` is at most base + offset. What lies between `covered` and the
// offset is in no record yet: entries of the other stream, NULs, and a line that is begun.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/decode/decoder.h"
#include "checkpoint/source_state.h"

namespace longshore::agent {

/// A part of a stream. Empty where its length is not known.
struct Range {
  Position start, end;
};

/// What proves the bytes of a file before some offset.
struct Proof {
  std::string overlap;  ///< The last bytes before the offset, at most kOverlapBytes.
  checkpoint::Marker marks;
};

/// Thread: its lane's.
class Cursor {
 public:
  explicit Cursor(const checkpoint::SourceState& state) { rewind(state); }

  /// Whether a file was ever read. False: start() is the only move.
  bool begun() const { return state_.file != checkpoint::FileIdentity{}; }
  const checkpoint::FileIdentity& file() const { return state_.file; }
  uint64_t generation() const { return state_.generation; }
  uint64_t offset() const { return state_.offset; }
  Position base() const { return state_.base; }
  /// The stream position of `offset`; by default of the cursor's own.
  Position position(uint64_t offset) const { return {state_.base.bytes + offset}; }
  Position position() const { return position(state_.offset); }
  Position covered() const { return state_.covered; }
  uint32_t part() const { return state_.part; }
  /// Whether a line is begun of which more is to come. What follows it in another file continues
  /// it; before a move to anything else it has to be shipped (Decoder, with an empty window).
  bool has_begun() const { return !state_.begun.empty(); }
  size_t begun_bytes() const { return state_.begun.text.size(); }
  /// Lends the line that is begun to a decoder. It comes back with advance() or give_back().
  checkpoint::BegunLine lend_begun() { return std::exchange(state_.begun, {}); }
  void give_back(checkpoint::BegunLine begun) { state_.begun = std::move(begun); }
  const std::string& overlap() const { return state_.tail; }
  checkpoint::MarkList marks() const { return marker_.list(); }
  /// What was read of the file, as the marks and the last reads tell.
  checkpoint::Beginning beginning() const { return {marks(), recent_}; }
  bool gap_pending() const { return state_.gap_pending; }
  bool ended() const { return state_.ended; }
  uint64_t boot() const { return state_.boot; }
  /// The file's size when it was last stored; 0: not known.
  uint64_t seen_bytes() const { return state_.seen_bytes; }
  /// The least that the file is known to have held.
  uint64_t known_size() const { return std::max(state_.offset, state_.seen_bytes); }
  /// What statx(2) said of the file when its content was last known to be what was read. Settled: a
  /// later change shows in it for sure.
  const checkpoint::FileStamp& stamp() const { return state_.stamp; }
  bool stamp_settled() const { return state_.settled; }
  /// Places where it was truncated, not in the ledger yet.
  const checkpoint::Truncations& truncations() const { return state_.truncations; }
  /// Generations read to their end, oldest first; the oldest of many are forgotten.
  const std::vector<checkpoint::FileIdentity>& closed() const { return state_.closed; }
  /// Where each of closed() ended. Where a file was truncated, that has an end and no identity.
  const std::vector<checkpoint::ClosedEnd>& ends() const { return state_.ends; }
  /// Where the present file ended if nothing more of it is read; unknown if too little of it is
  /// proven.
  checkpoint::ClosedEnd end() const;

  /// The state to store.
  checkpoint::SourceState state() const;

  /// Begins the stream in `file` at `offset`. `before`: what stands before that, at most one span
  /// of marks.
  void start(const checkpoint::FileIdentity& file, uint64_t offset, std::string_view before,
             uint64_t boot);

  /// Moves over what a decoder consumed, to where it stopped. `read` ends there and begins with
  /// the overlap.
  void advance(std::string_view read, DecodeState to);
  /// A record was made, so the flag of the gap before it is used up.
  void gap_shipped() { state_.gap_pending = false; }

  /// Passes over NULs up to `end_offset`, which belong to the next record.
  void pass_nuls(uint64_t end_offset, Proof proof);

  /// Passes over the file's bytes up to `end_offset`, which cannot be read. Returns what is lost.
  /// REQUIRES: it lies after the offset.
  Range skip(uint64_t end_offset);
  /// Passes over the rest that the file was seen to have and has no longer, and over a line that is
  /// begun: the stream goes on after it, the offset stays. Returns what is lost.
  Range lose_unread();
  /// An unknown amount is missing here. Returns its place.
  Range lose_unknown();

  /// Goes on at `offset` of the same file with its proof. Positions never go back: what is read
  /// again gets new ones. REQUIRES: no line is begun.
  void resume_at(uint64_t offset, Proof proof);

  /// Begins the next generation, at the beginning of another file; the present one ended at `end`.
  void next_generation(const checkpoint::FileIdentity& file, const checkpoint::ClosedEnd& end = {});
  /// Begins the next generation in the same file, which was truncated, at `offset`. What was read
  /// is remembered, so that a copy of it is known.
  /// REQUIRES: no line is begun.
  void restart_file(uint64_t offset);
  /// Goes on at the same offset of a copy; the file it was made of comes after it.
  void move_to_copy(const checkpoint::FileIdentity& copy);
  /// `other` has the same content: the file is closed, and the other one is read on from the same
  /// offset.
  void move_to_original(const checkpoint::FileIdentity& other,
                        const checkpoint::ClosedEnd& end = {});

  /// Moves over bytes that came late to the closed generation `index`: they take the stream's next
  /// positions, and the present file goes on after them. `read` begins with the overlap before its
  /// end. REQUIRES: no line is begun, and part() is 0.
  void take_late(size_t index, std::string_view read, const DecodeState& to);

  /// `copy` holds nothing that was not read: it counts as closed.
  void close_copy(const checkpoint::FileIdentity& copy) { close(copy, {}); }

  /// Undoes everything since `state`.
  void rewind(const checkpoint::SourceState& state);

  void set_ended() { state_.ended = true; }
  void set_boot(uint64_t boot) { state_.boot = boot; }
  void set_seen_bytes(uint64_t bytes) { state_.seen_bytes = bytes; }
  void set_destination(const std::string& topic, int32_t partition);
  /// The content up to the offset is as it was read, and the file had `stamp` when that was asked.
  void set_stamp(const checkpoint::FileStamp& stamp, int64_t wall_ns);
  /// Of what was read. expect_head(): of the file's first kHeadBytes, which may not be read yet.
  void set_head(uint64_t hash) { marker_.set_head(hash); }
  void expect_head(uint64_t hash);
  /// The log was truncated here; `lost_bytes` of it were seen, and not read.
  void add_truncation(uint64_t lost_bytes);
  void forget_truncations() { state_.truncations = {}; }

 private:
  void begin_generation(uint64_t offset);
  void close(const checkpoint::FileIdentity& file, const checkpoint::ClosedEnd& end);
  void close_truncated(const checkpoint::ClosedEnd& end);
  void add_closed(const checkpoint::FileIdentity& file, const checkpoint::ClosedEnd& end);
  void forget_size();
  void moved() const;

  checkpoint::SourceState state_;  // Without marks, which marker_ holds.
  checkpoint::Marker marker_;
  std::vector<checkpoint::Span> recent_;  // Where the last reads of the file ended.
  uint64_t expected_head_ = 0;            // 0: not known.
};

}  // namespace longshore::agent
