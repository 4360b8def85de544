// A Tail reads one source: generation after generation, each to its end, never past what its
// checkpoint can answer for.
//
//   SourceOpened --add()--> Tail --fill()--> Chunk of records, state moved
//                             ^--rewind()/confirmed()-- lane
//
// The state that fill() moves is what the next PREPARE stores. Files are held until the state
// behind them is confirmed, so that a rewind can always read them again, deleted or not.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "agent/decoder.h"
#include "agent/messages.h"
#include "checkpoint/source_state.h"
#include "shipper/record_encoder.h"

namespace longshore::agent {

/// What fill() found.
enum class FillOutcome : uint8_t {
  kRecords,  ///< Records stand in the chunk; there may be more.
  kMoved,    ///< No record, but the state moved (a generation closed, foreign entries skipped).
  kDrained,  ///< Nothing new for now.
};

/// An event worth the ledger, found while reading.
struct TailIncident {
  std::string reason;   ///< "truncated", "generation unseen".
  Position start, end;  ///< Equal: unknown length.
  std::string detail;
};

/// Thread: its lane's.
class Tail {
 public:
  /// `state` is the confirmed one, default for a source never seen; `rotate_wait_ns` is how long a
  /// generation with a successor must be quiet before it is closed.
  Tail(Stream stream, checkpoint::SourceState state, int64_t rotate_wait_ns);

  /// A generation, in the order of the stream. One that is known already is passed over.
  /// `start_offset` counts only for a source that was never read; `gap_before`: others came and
  /// went unseen between its predecessor and it.
  void add(std::shared_ptr<const OpenFile> file, uint64_t start_offset, bool gap_before = false);

  /// Its writers are gone (or are back).
  void set_ended(bool ended) { ended_ = ended; }

  /// Reads on, at most one chunk. `chunk` is empty. Errors: kRetryable: the read failed; nothing
  /// moved.
  Result<FillOutcome> fill(shipper::Chunk& chunk, shipper::RecordEncoder& encoder, int64_t now_ns,
                           int64_t wall_ns);

  /// The state as of the last fill(), with its marks.
  checkpoint::SourceState state() const;
  void set_destination(const std::string& topic, int32_t partition);

  /// `state` is durable on both sides: files before it are let go.
  void confirmed(const checkpoint::SourceState& state);
  /// Everything since `state` never happened.
  void rewind(const checkpoint::SourceState& state);

  /// When fill() should be called again though nothing was announced (a generation waits to be
  /// closed); 0: never.
  int64_t recheck_at_ns() const { return recheck_at_ns_; }
  bool has_successor() const;
  std::vector<TailIncident> take_incidents();

 private:
  struct Generation {
    std::shared_ptr<const OpenFile> file;
    uint64_t start_offset = 0;
    bool gap_before = false;
  };
  const Generation* current() const;
  bool start_first(const Generation& generation);
  void start_next(const Generation& generation);
  void say_unseen(const std::string& detail);
  void restart_truncated(int fd);
  FillOutcome decode(shipper::Chunk& chunk, shipper::RecordEncoder& encoder, std::string_view bytes,
                     bool at_end, bool full, int64_t wall_ns);
  FillOutcome close_generation(int64_t now_ns, bool rest);

  const std::unique_ptr<Decoder> decoder_;
  const int64_t rotate_wait_ns_;
  checkpoint::SourceState state_;  // Without marks, which marker_ holds.
  checkpoint::Marker marker_;
  std::deque<Generation> generations_;  // From the confirmed one on.
  bool ended_ = false;
  bool closing_ = false;    // The current generation gets no more bytes: its rest is complete.
  size_t read_bytes_;       // The next window; follows what a window's records took.
  int64_t grew_at_ns_ = 0;  // When the current generation last had something new.
  int64_t recheck_at_ns_ = 0;
  std::vector<TailIncident> incidents_;
};

}  // namespace longshore::agent
