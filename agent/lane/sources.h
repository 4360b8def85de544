// The sources of one lane: what the watch loop has told about them, and what is confirmed of them.
//
//   Inbox --messages--> Sources --Scheduler--> SourceReader
//                          ^-- confirmed(), rewind(), reload() -- OpenTransaction, TakeOver
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "agent/lane/lane_source.h"
#include "agent/lane/moved_sources.h"
#include "agent/lane/new_sources.h"
#include "agent/lane/scheduler.h"
#include "agent/link/messages.h"
#include "checkpoint/store.h"
#include "config/clock.h"

namespace longshore::agent {

struct SourcesOptions {
  std::string host_name;
  int64_t rotate_wait_ns = 5'000'000'000;
  Boots boots = {};    ///< Of Tail.
  bool ledger = true;  ///< Whether somebody wants to know where sources begin.
};

/// Thread: its lane's.
class Sources {
 public:
  Sources(SourcesOptions options, checkpoint::Store& store, const Clock& clock);

  /// Errors: those of the store; the message was not applied, apply it again.
  Status opened(const SourceOpened& message);
  void touched(const SourcesTouched& message);
  void ended(const SourceEnded& message);
  void released(SourceId source, bool deleted);
  /// The checkpoint knows it, but its file is gone. Errors as in opened().
  Status vanished(const SourceVanished& message);
  void given_up(const FileGivenUp& message);
  void copies_found(const CopiesFound& message);
  /// Empty: its log has to be read on first.
  std::optional<CopyJudged> judge(const JudgeCopy& message);
  void refused(LedgerEntry entry);
  /// Every source that still reads a deleted file becomes ready, whatever was told about it.
  void ready_deleted();

  /// The next source that is ready, taken out of the scheduler; null: none.
  LaneSource* next();
  /// Divides limits::kBegunBytesMax among the sources. Call it before and after a tail reads.
  void limit_begun(LaneSource& source);
  /// There is nothing more to read of it for now: it waits until its tail wants to look again, or
  /// is let go if it was released.
  void drained(LaneSource& source);

  /// The open transaction is confirmed with these states, in the order of moved().all().
  void confirmed(const std::vector<checkpoint::PreparedSource>& states);
  /// Some of its sources are, though the rest of it cannot be: those of `taken`, in its order.
  void confirmed(const std::vector<LaneSource*>& taken,
                 const std::vector<checkpoint::PreparedSource>& states);
  /// Undoes everything since the last confirmation.
  void rewind();
  /// Back to what the store holds (after a step back).
  Status reload();

  Scheduler& scheduler() { return scheduler_; }
  const Scheduler& scheduler() const { return scheduler_; }
  MovedSources& moved() { return moved_; }
  NewSources& unstored() { return unstored_; }

  /// Null: not in this lane.
  LaneSource* find(SourceId source) const;
  const std::string& host_name() const { return options_.host_name; }
  /// What every record of the source says.
  shipper::Envelope envelope_of(const SourceSpec& spec) const;
  size_t size() const { return sources_.size(); }
  /// How many bytes the files that were opened held beyond their positions: for the progress line.
  uint64_t bytes_seen() const { return bytes_seen_; }
  /// How many of them were read, and not taken back since, as far as count_read() was told.
  uint64_t bytes_read() const { return bytes_read_; }
  void count_read(LaneSource& source);

 private:
  Result<LaneSource*> find_or_make(const std::shared_ptr<const SourceSpec>& spec);
  void begin(LaneSource& source);
  void count_begun(LaneSource& source, size_t bytes);
  void let_go(LaneSource& source);

  const SourcesOptions options_;
  checkpoint::Store& store_;
  const Clock& clock_;
  std::unordered_map<SourceId, std::unique_ptr<LaneSource>> sources_;
  Scheduler scheduler_;
  MovedSources moved_;
  NewSources unstored_;
  const std::shared_ptr<LogReader> reader_ = std::make_shared<LogReader>();
  // Sources that were let go in this run of the agent after their deleted files were read to the
  // end: if such a log is created again, it has lost nothing. Not stored, because nobody knows what
  // comes and goes while no agent runs.
  std::unordered_set<SourceId> read_whole_;
  uint64_t bytes_seen_ = 0;
  uint64_t bytes_read_ = 0;
  size_t begun_bytes_ = 0;  // Of all sources.
};

}  // namespace longshore::agent
