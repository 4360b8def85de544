// The open transaction of a lane: from its first record to its commit, or until it is given up.
//
//   SourceReader --add()--> [ records with Kafka, sources moved ] --close()--> PREPARE (durable)
//                                 |                         -> offset -> commit -> confirmed
//                                 '--give_up(): as if it had never begun
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "agent/lane/blame.h"
#include "agent/lane/feed.h"
#include "agent/lane/inbox.h"
#include "agent/lane/lane_ledger.h"
#include "agent/lane/lane_setup.h"
#include "agent/lane/last_delivered.h"
#include "agent/lane/sources.h"

namespace longshore::agent {

/// Thread: its lane's. Every error but kInvalid and kFatal means: give_up(), then a new session.
class OpenTransaction {
 public:
  OpenTransaction(const LaneSetup& setup, Sources& sources, Inbox& inbox, Blame& blame, Feed& feed,
                  LaneLedger& ledger, LastDelivered& delivered);

  /// Everything about the open transaction; a fresh one when none is open.
  struct State {
    bool is_open = false;
    int64_t opened_ns = 0;
    int64_t next_look_ns = 0;  ///< While it gathers: when to look at the sources again.
    uint64_t bytes = 0;
    uint64_t records = 0;
    std::set<std::string> topics = {};
    bool room_missing = false;  ///< Something is ready, but its partition or the memory is full.
    bool others_wait = false;   ///< Sources wait for the next transaction: this one is to close.
  };
  const State& state() const { return state_; }
  bool is_open() const { return state_.is_open; }

  /// REQUIRES: none is open; the feed is started.
  Status begin();
  /// Adds what was read of a source; begins a transaction when none is open.
  Status add(LaneSource& source, shipper::Chunk& chunk);
  bool may_include(const std::string& topic) const { return blame_.may_join(topic, state_.topics); }
  /// A round over the sources has ended.
  void note_round(Scheduler::Round round, int64_t next_look_ns);

  /// Ships the ledger, flushes, and runs the delivery protocol to its end: all sources that moved
  /// are confirmed. REQUIRES: is_open().
  Status close();
  /// Gives the transaction up, with its session: its sources go back to their confirmed
  /// positions.
  void give_up();

  /// Commits the confirmed offset in a transaction without records. REQUIRES: none is open.
  Status commit_offset_only();

 private:
  Status produce_ledger(std::vector<LedgerEntry>& entries);
  Status hand_over(shipper::Chunk& chunk, Destination& to);
  Status flush();
  Status prepare(const std::vector<checkpoint::PreparedSource>& states,
                 std::vector<LedgerEntry> ledger, std::string& digest);
  Status commit_offset(TransactionNumber number, const std::string& digest);
  bool is_too_late(int64_t give_up_ns) const;

  const LaneSetup& setup_;
  Sources& sources_;
  Inbox& inbox_;
  Blame& blame_;
  Feed& feed_;
  LaneLedger& ledger_;
  LastDelivered& delivered_;
  State state_;
};

}  // namespace longshore::agent
