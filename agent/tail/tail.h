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
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/decode/decoder.h"
#include "agent/link/messages.h"
#include "agent/tail/zero_search.h"
#include "checkpoint/source_state.h"
#include "config/ledger.h"
#include "shipper/record/record_encoder.h"

namespace longshore::agent {

/// What fill() found.
enum class FillOutcome : uint8_t {
  kRecords,  ///< Records stand in the chunk; there may be more.
  kMoved,    ///< No record, but the state moved (a generation closed, foreign entries skipped).
  kDrained,  ///< Nothing new for now.
};

/// Thread: its lane's.
class Tail {
 public:
  /// `state` is the confirmed one, default for a source never seen; `rotate_wait_ns` is how long a
  /// generation with a successor must be quiet before it is closed. What was read before
  /// `boots.now` may have lost its end since, and before `boots.before` more than once.
  Tail(Stream stream, checkpoint::SourceState state, int64_t rotate_wait_ns, Boots boots = {});

  /// A generation, in the order of the stream. One that is known already is passed over.
  /// `start_offset` counts only for a source that was never read; `gap_before`: others came and
  /// went unseen between its predecessor and it.
  void add(std::shared_ptr<const OpenFile> file, uint64_t start_offset, bool gap_before = false);

  /// Takes the place where a source that was never read begins, so that it can be stored.
  void begin();
  bool begun() const { return state_.file != checkpoint::FileIdentity{}; }

  /// Its writers are gone (or are back).
  void set_ended(bool ended) { ended_ = ended; }

  /// Its file was deleted while nobody held it: what was left of it is lost, and it ends unless a
  /// file is added behind it.
  void vanish() { vanished_ = true; }
  bool vanished() const { return vanished_; }

  /// The file of its state was read to its end before it was deleted: nothing followed in it.
  void set_read_whole() { read_whole_ = state_.file; }

  /// The deleted file takes more of the disk than it may: its rest is given up.
  void give_up(const checkpoint::FileIdentity& identity);

  /// Whether its file was truncated and a copy of it is wanted; true once a truncation.
  bool take_copy_wish() { return std::exchange(wants_copy_, false); }
  /// The copy, or null. Without an answer the tail goes on by itself after a while.
  void add_copy(std::shared_ptr<const OpenFile> copy);

  /// Reads on, at most one chunk. `chunk` is empty. Errors: kRetryable: the read failed; nothing
  /// moved. What cannot be read for a minute is passed over and said.
  Result<FillOutcome> fill(shipper::Chunk& chunk, shipper::RecordEncoder& encoder, int64_t now_ns,
                           int64_t wall_ns);

  /// How much the last fill() found: about what the next one is going to.
  size_t read_last_bytes() const { return read_last_bytes_; }

  /// The state as of the last fill(), with its marks.
  checkpoint::SourceState state() const;
  void set_destination(const std::string& topic, int32_t partition);

  /// `state` is durable on both sides: files before it are let go.
  void confirmed(const checkpoint::SourceState& state);
  /// Everything since `state` never happened.
  void rewind(const checkpoint::SourceState& state);

  /// When fill() should be called again though nothing was announced (a generation waits to be
  /// closed, or one turn was too little); 0: never.
  int64_t recheck_at_ns() const { return recheck_at_ns_; }
  bool has_successor() const;
  /// Whether a file that it has to read has no name any more.
  bool holds_deleted() const;
  /// What happened since the last call and belongs into the ledger; source, lane and time are the
  /// caller's to fill.
  std::vector<LedgerEntry> take_events();

 private:
  struct Generation {
    std::shared_ptr<const OpenFile> file;
    uint64_t start_offset = 0;
    bool gap_before = false;
    bool given_up = false;
    bool truncated = false;  // Its bytes of before stand in the generation before it, a copy.
  };
  const Generation* current() const;
  bool start_first(const Generation& generation);
  const Generation& next() const;
  void turn_to(const checkpoint::FileIdentity& file);
  void start_next();
  Result<FillOutcome> drained(const Generation& generation, int64_t now_ns, bool rest);

  // tail_loss.cc: what cannot be read.
  void say(LedgerEvent event, Position start, Position end, const char* reason = "",
           std::string detail = {});
  void lose(uint64_t end_offset, const char* reason, std::string detail);
  FillOutcome lose_vanished();
  FillOutcome lose_given_up(const Generation& generation);
  FillOutcome truncated(int fd, int64_t now_ns);
  bool is_copy(const OpenFile& file) const;
  bool is_original(const Generation& next) const;
  void switch_to(std::shared_ptr<const OpenFile> copy);
  void restart_truncated(int fd);
  Result<FillOutcome> resume_by_marks(int fd, int64_t now_ns);
  FillOutcome look_on_soon(int64_t now_ns);
  bool rebooted() const { return boots_.now != 0 && state_.boot != 0 && state_.boot != boots_.now; }
  Result<bool> look_ahead(int fd);
  uint64_t clear_bytes() const;
  Result<FillOutcome> pass_zeros(int fd);
  Status resume_at(int fd, uint64_t offset, uint64_t proven);
  Result<FillOutcome> read_failed(const Error& error, uint64_t at_offset, int64_t now_ns);
  FillOutcome decode(shipper::Chunk& chunk, shipper::RecordEncoder& encoder, std::string_view bytes,
                     bool last, bool full, int64_t wall_ns);
  void follow_window(size_t window_bytes, size_t consumed);
  FillOutcome close_generation(const Generation& generation, int64_t now_ns, bool rest);

  const std::unique_ptr<Decoder> decoder_;
  const int64_t rotate_wait_ns_;
  const Boots boots_;
  checkpoint::SourceState state_;  // Without marks, which marker_ holds.
  checkpoint::Marker marker_;
  std::vector<Generation> generations_;  // From the confirmed one on.
  bool ended_ = false;
  bool vanished_ = false;
  checkpoint::FileIdentity read_whole_;  // A file that ended and is no more.
  bool wants_copy_ = false;
  bool copy_answered_ = false;
  std::shared_ptr<const OpenFile> copy_;
  int64_t copy_until_ns_ = 0;  // While a truncated file waits for its copy; 0: it does not.
  // Since the host went down, in the generation that was current then: for zeros behind the offset,
  // and between what the marks prove and the offset.
  std::unique_ptr<ZeroSearch> ahead_, behind_;
  checkpoint::FileIdentity met_;  // Found as it was read, since the last rewind.
  bool closing_ = false;  // The current generation gets no more bytes: its rest is complete.
  size_t read_bytes_;     // The next window; follows what a window's records took.
  size_t read_last_bytes_ = 0;
  int64_t grew_at_ns_ = 0;      // When the current generation last had something new.
  int64_t followed_at_ns_ = 0;  // When it was first seen to have a successor.
  int64_t recheck_at_ns_ = 0;
  int64_t failing_since_ns_ = 0;  // When reading at the present offset failed first.
  std::vector<LedgerEntry> events_;
};

}  // namespace longshore::agent
