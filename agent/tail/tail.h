// A Tail reads one source: generation after generation, each to its end.
//
//   SourceOpened --add()--> Tail --fill()--> Chunk of records; the cursor moves
//                             ^--rewind()/confirmed()-- lane
//
// The state after fill() is what the next PREPARE stores. A file is held open until the state
// after it is confirmed, so that a rewind can always read it again, deleted or not.
//
//   Generations   the files, in the order of the stream      Cursor         the place in them
//   ClosingWait   when a rotated file is finished            ReadWindow     how much to read
//   RunEnds       where processes ended                NulRun         what was never written
//   ContentCheck  whether the file is still the one that was read
//   ArchiveProof  which generation a compressed file was       LateWrites   to closed generations
//   Loss, Copytruncate, Truncations, PowerLoss   what cannot be read, and how to go on
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/decode/decoder.h"
#include "agent/files/log_reader.h"
#include "agent/link/messages.h"
#include "agent/tail/archive_proof.h"
#include "agent/tail/closing_wait.h"
#include "agent/tail/content_check.h"
#include "agent/tail/copytruncate.h"
#include "agent/tail/cursor.h"
#include "agent/tail/generations.h"
#include "agent/tail/late_writes.h"
#include "agent/tail/ledger_notes.h"
#include "agent/tail/loss.h"
#include "agent/tail/nul_run.h"
#include "agent/tail/power_loss.h"
#include "agent/tail/read_window.h"
#include "agent/tail/run_ends.h"
#include "agent/tail/truncations.h"
#include "checkpoint/source_life.h"
#include "checkpoint/source_state.h"
#include "config/ledger.h"
#include "shipper/record/record_encoder.h"

namespace longshore::agent {

/// What fill() found.
enum class FillOutcome : uint8_t {
  kRecords,  ///< The chunk has records; there may be more.
  kMoved,    ///< No record, but the state moved (a generation closed, foreign entries skipped).
  kDrained,  ///< Nothing new for now.
};

/// Thread: its lane's.
class Tail {
 public:
  /// `state` is the confirmed one, default for a source never seen. A generation with a successor
  /// is closed after `rotate_wait_ns` without a write. Bytes read before the boot `boots.now` may
  /// have been lost since; those read before `boots.before`, more than once. `reader` is shared by
  /// the tails of a lane.
  Tail(Stream stream, checkpoint::SourceState state, int64_t rotate_wait_ns, Boots boots = {},
       std::shared_ptr<LogReader> reader = std::make_shared<LogReader>());
  Tail(const Tail&) = delete;
  Tail& operator=(const Tail&) = delete;

  /// Adds a generation, in the order of the stream; one that is known already is ignored.
  /// `start_offset` counts only for a source that was never read.
  void add(std::shared_ptr<const OpenFile> file, uint64_t start_offset,
           Step step = Step::kAdjacent);

  /// Fixes where a source that was never read begins, so that it can be stored.
  void begin();
  bool begun() const { return cursor_.begun(); }
  /// How far it has read.
  Position position() const { return cursor_.position(); }

  /// What happened to the source. add() means kOpened; after kVanished its unread rest is lost, and
  /// it ends unless another file is added.
  void apply(checkpoint::SourceEvent event) { life_ = checkpoint::after(life_, event); }
  checkpoint::SourceLife life() const { return life_; }

  /// The source has ended. What its newest file holds after `size_bytes` was written by the next
  /// run of its container, of which kOpened may be told later.
  void ended(uint64_t size_bytes);
  /// All processes that wrote to `file` ended when it had `size_bytes`: a text line ends there.
  void end_run(const checkpoint::FileIdentity& file, uint64_t size_bytes);

  /// How many bytes of a line that is begun it holds, and how many it may hold: the lane divides
  /// its memory among its sources.
  size_t begun_bytes() const { return cursor_.begun_bytes(); }
  void set_begun_bytes_max(size_t bytes) { begun_bytes_max_ = bytes; }

  /// The file of its state was read to its end before it was deleted: nothing is missing after it.
  void set_read_whole() { read_whole_ = cursor_.file(); }

  /// The deleted file is over the budget of deleted files: its unread rest is given up.
  void give_up(const checkpoint::FileIdentity& identity) {
    generations_.give_up(identity);
    if (late_ != nullptr) late_->give_up(identity);
  }

  /// A closed generation, found again and perhaps larger than it was.
  void add_closed(std::shared_ptr<const OpenFile> file) {
    const checkpoint::FileIdentity closed = file->identity;
    watch_closed(std::move(file), closed, 0);
  }

  /// Whether its file was truncated and a copy of it is wanted; true once for each truncation.
  bool take_copy_wish() { return copytruncate_.take_wish(); }
  /// Files that may be copies, oldest first. Without an answer the tail goes on by itself after a
  /// while.
  void add_copies(std::vector<std::shared_ptr<const OpenFile>> copies);

  /// Whether judge() can tell: not while it is to be found out what became of a truncated file, and
  /// of its copies, nor before the compressed ones among them are read.
  bool can_judge() const;
  /// Whether `file`, which stands beside the log, is a copy of what was read or is to be read.
  /// Completes `judged`. Returns whether the state moved: it remembers copies that hold nothing
  /// unread.
  bool judge(const OpenFile& file, CopyJudged& judged);

  /// Reads on, at most one chunk. `chunk` is empty. Errors: kRetryable: the read failed; nothing
  /// moved. A place that cannot be read for a minute is passed over, with an entry in the ledger.
  Result<FillOutcome> fill(shipper::Chunk& chunk, shipper::RecordEncoder& encoder, int64_t now_ns,
                           int64_t wall_ns);
  /// How many bytes the last fill() read: the next one will read about as many.
  size_t read_last_bytes() const { return read_last_bytes_; }
  /// When to call fill() again although no event came (a generation waits to be closed, or one
  /// turn was too short); 0: never.
  int64_t recheck_at_ns() const { return recheck_at_ns_; }

  /// The state as of the last fill(), with its marks.
  checkpoint::SourceState state() const;
  void set_destination(const std::string& topic, int32_t partition) {
    cursor_.set_destination(topic, partition);
  }
  /// `state` is durable on both sides: files before it are closed.
  void confirmed(const checkpoint::SourceState& state);
  /// Undoes everything since `state`.
  void rewind(const checkpoint::SourceState& state);

  /// Whether a file that it still has to read was deleted.
  bool holds_deleted() const { return generations_.holds_deleted(); }
  /// What happened since the last call and belongs in the ledger; the caller fills in source, lane
  /// and time.
  std::vector<LedgerEntry> take_events() { return notes_.take(); }

 private:
  // What one fill() gets.
  struct Turn {
    shipper::Chunk& chunk;
    shipper::RecordEncoder& encoder;
    int64_t now_ns, wall_ns;
  };
  Result<FillOutcome> fill_on(const Turn& turn);
  Result<FillOutcome> read_on(const Generation& generation, const Turn& turn);
  FillOutcome decode(const Window& window, std::string_view read, const Turn& turn);
  void recheck_at(int64_t at_ns) {
    if (at_ns != 0 && (recheck_at_ns_ == 0 || at_ns < recheck_at_ns_)) recheck_at_ns_ = at_ns;
  }
  bool may_grow() const { return life_ == checkpoint::SourceLife::kWritten; }
  bool may_be_written() const { return may_grow() && !closing_.over(); }
  FillOutcome end();
  Result<FillOutcome> drained(const Generation& generation, const Turn& turn, bool rest);
  Result<FillOutcome> end_generation(const Generation& generation, const Turn& turn, bool rest);
  Result<FillOutcome> go_on_in(const Generation& next, const Turn& turn);
  bool goes_on_in_copy(const Generation& next);
  void move_to(const checkpoint::FileIdentity& other, const checkpoint::ClosedEnd& end = {});
  void start_next(int64_t now_ns, bool is_noted = false);
  FillOutcome give_up_rest(const Generation& generation, const Turn& turn);
  Result<FillOutcome> changed(int fd, uint64_t size_bytes, const Turn& turn);
  void remember_truncated();
  Result<FillOutcome> pass_zeros(int fd);
  FillOutcome go_on_soon(int64_t now_ns);
  Result<FillOutcome> read_failed(const Error& error, uint64_t at_offset, int64_t now_ns);

  // tail_archive.cc
  ArchiveProof& proof();
  checkpoint::ClosedEnd end_of_file() const;
  void watch_closed(std::shared_ptr<const OpenFile> file, const checkpoint::FileIdentity& closed,
                    int64_t now_ns);
  Result<FillOutcome> read_late(const Turn& turn);
  Result<FillOutcome> read_archive(const Generation& generation, const Turn& turn);
  Result<FillOutcome> archive_ended(const Generation& generation, const LogBytes& read,
                                    const Turn& turn);
  Result<FillOutcome> archive_unpacked(const Turn& turn);
  FillOutcome pass_nuls(Window window, std::string_view read, const Turn& turn);
  using Met = std::optional<FillOutcome>;  // Empty: nothing was met.
  Result<Met> prove_archive(const Turn& turn);
  FillOutcome left_alone(int64_t now_ns);
  void drop_older();
  Result<Met> prove_archive(const std::shared_ptr<const OpenFile>& file, const Turn& turn);
  Result<ArchiveProof::Is> look_for_copy(int64_t now_ns);

  // tail_framing.cc
  bool next_goes_on() const;
  bool file_ends(uint64_t size_bytes, int64_t now_ns);
  FillOutcome end_begun(const Turn& turn);
  Window window_on(std::string_view bytes, const Turn& turn) const;
  Result<Met> meet_nuls(const Generation& generation, Window window, std::string_view read,
                        const Turn& turn);
  Result<FillOutcome> pass_nuls(int fd, Window window, size_t text_bytes, std::string_view read,
                                const Turn& turn);

  const std::unique_ptr<Decoder> decoder_;
  const std::shared_ptr<LogReader> reader_;
  Cursor cursor_;
  LedgerNotes notes_{cursor_};
  Generations generations_{cursor_};
  ClosingWait closing_;
  EndWait ending_;
  ReadWindow window_;
  Loss loss_{cursor_, notes_};
  ContentCheck content_{cursor_};
  Copytruncate copytruncate_{cursor_};
  Truncations truncations_{cursor_, notes_};
  PowerLoss power_loss_;
  NulRun nuls_;
  RunEnds run_ends_;
  std::unique_ptr<ArchiveProof> proof_;  // Few sources need one.
  std::optional<checkpoint::FileIdentity>
      unpacked_;  // The compressed file that was read to its end.
  // Compressed files that hold nothing of what was read.
  struct Other {
    checkpoint::FileIdentity file;
    bool is_empty = false;
  };
  std::vector<Other> others_;
  int64_t left_alone_ns_ = 0;  // No file was left; then it is deleted, if none comes. 0: no.
  std::unique_ptr<LateWrites> late_;
  const int64_t rotate_wait_ns_;
  checkpoint::SourceLife life_ = checkpoint::SourceLife::kRemembered;
  checkpoint::FileIdentity read_whole_;
  size_t begun_bytes_max_ = SIZE_MAX;
  std::vector<checkpoint::FileIdentity> no_copies_;  // Judged so lately: they are collected.
  std::vector<checkpoint::ClosedEnd> elsewhere_;     // What they held.
  std::vector<checkpoint::Beginning> truncated_;     // What was read before the last truncations.
  size_t read_last_bytes_ = 0;
  int64_t recheck_at_ns_ = 0;
};

}  // namespace longshore::agent
