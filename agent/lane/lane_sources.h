// The sources of one lane: what the watch loop said about them, and whose turn it is.
#pragma once

#include <deque>
#include <memory>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "agent/lane/destinations.h"
#include "agent/link/messages.h"
#include "agent/tail/tail.h"
#include "checkpoint/store.h"
#include "config/clock.h"
#include "shipper/record/record_encoder.h"

namespace longshore::agent {

struct LaneSourcesOptions {
  std::string host_name;
  int64_t rotate_wait_ns = 5'000'000'000;
  Boots boots = {};    ///< Of Tail.
  bool ledger = true;  ///< Whether somebody wants to know where sources begin.
};

/// One source in the lane's hands.
struct LaneSource {
  LaneSource(std::shared_ptr<const SourceSpec> spec, checkpoint::SourceState state,
             const shipper::Envelope& envelope, const LaneSourcesOptions& options);

  std::shared_ptr<const SourceSpec> spec;
  checkpoint::SourceState confirmed;
  Tail tail;
  shipper::RecordEncoder encoder;
  Destination* destination = nullptr;  ///< Null: to be found.
  bool ready = false;                  ///< Stands in the ring.
  bool moved = false;                  ///< Belongs to the open transaction.
  bool drifted = false;                ///< Its state moved without a record and without one.
  bool released = false;               ///< To be let go once all is confirmed.
  bool deleted = false;
  std::vector<LedgerEntry> ledger;  ///< Since its confirmed state.
};

/// Thread: its lane's.
class LaneSources {
 public:
  LaneSources(LaneSourcesOptions options, checkpoint::Store& store, const Clock& clock);

  /// Errors: those of the store; the message was not applied then, apply it again.
  Status opened(const SourceOpened& message);
  void touched(const SourcesTouched& message);
  void ended(SourceId source);
  void released(SourceId source, bool deleted);
  /// Known from before, and its file is gone. Errors as in opened().
  Status vanished(const SourceVanished& message);
  void given_up(const FileGivenUp& message);
  void copy_found(const CopyFound& message);

  /// The next source with something to read, taken out of the ring; null: none.
  LaneSource* next();
  void put_back(LaneSource& source);
  /// Before all that stand in the ring.
  void put_first(LaneSource& source);
  bool has_ready() const { return !ring_.empty(); }

  /// Sources whose generations wait to be closed come back into the ring.
  void recheck(int64_t now_ns);
  int64_t next_recheck_ns() const;
  void wait_for_recheck(LaneSource& source);

  /// Sources that wait for a parked topic.
  void park(LaneSource& source) { parked_.push_back(source.spec->id); }
  void unpark();
  /// Those that still read a deleted file, whatever was said of them.
  void ready_deleted();

  /// Writes what is new about sources to the store: soon after they were opened, so that a source
  /// which is rotated before its first transaction goes on with the file that was seen first, and
  /// at the latest before any of their records is produced.
  Status store_new(LaneId lane);
  /// Whether it has stored ledger entries since it was asked last.
  bool take_opened() { return std::exchange(opened_stored_, false); }

  void mark_moved(LaneSource& source);
  /// Its state moved, but there was nothing to ship: it goes along with the next transaction, or is
  /// stored by itself.
  void mark_drifted(LaneSource& source);
  void drifted_join_moved();
  bool any_drifted() const { return !drifted_.empty(); }
  const std::vector<LaneSource*>& moved() const { return moved_; }
  /// The open transaction is confirmed with these states, in the order of moved().
  void confirmed(const std::vector<checkpoint::PreparedSource>& states);
  /// Nothing since the last confirmation happened.
  void rewind();
  /// Back to what the store holds (after a step back).
  Status reload();

  /// Null: not ours.
  const LaneSource* find(SourceId source) const {
    const auto found = sources_.find(source);
    return found == sources_.end() ? nullptr : found->second.get();
  }
  const std::string& host_name() const { return options_.host_name; }
  /// What every record of the source says.
  shipper::Envelope envelope_of(const SourceSpec& spec) const;

  size_t size() const { return sources_.size(); }
  /// How many bytes stood before us in the files that were opened: for the progress line.
  uint64_t bytes_seen() const { return bytes_seen_; }
  auto begin() const { return sources_.begin(); }
  auto end() const { return sources_.end(); }

 private:
  Result<LaneSource*> find_or_make(const std::shared_ptr<const SourceSpec>& spec);
  void make_ready(LaneSource& source);
  void begin(LaneSource& source);
  void let_go(LaneSource& source);

  const LaneSourcesOptions options_;
  checkpoint::Store& store_;
  const Clock& clock_;
  std::unordered_map<SourceId, std::unique_ptr<LaneSource>> sources_;
  std::deque<LaneSource*> ring_;
  std::vector<LaneSource*> moved_;
  std::vector<SourceId> drifted_;
  std::vector<SourceId> rechecks_;
  std::vector<SourceId> parked_;
  std::vector<checkpoint::SourceRow> new_rows_;
  struct Begun {
    checkpoint::PreparedSource where;
    std::vector<LedgerEntry> entries;  // That it does.
  };
  std::vector<Begun> begun_;  // Not stored yet, as new_rows_.
  // Let go in this life, after their deleted files were read to the end: a log that is made anew
  // has lost nothing then. What comes and goes while no agent looks is not known, so this is not
  // stored.
  std::unordered_set<SourceId> read_whole_;
  bool opened_stored_ = false;
  uint64_t bytes_seen_ = 0;
};

}  // namespace longshore::agent
