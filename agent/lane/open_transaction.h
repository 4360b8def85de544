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
    int64_t next_look_ns = 0;  ///< While it gathers: when to look at the sources again; 0: now.
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
  /// The lane looks at its messages now; the next round over the sources belongs to that look.
  void note_look() { state_.next_look_ns = 0; }
  /// A round over the sources has ended. `next_look_ns` counts if a look came before it.
  void note_round(Scheduler::Round round, int64_t next_look_ns);

  /// Ships the ledger, flushes, and runs the delivery protocol to its end: all sources that moved
  /// are confirmed. REQUIRES: is_open().
  Status close();
  /// At least once: confirms what was delivered of a transaction that cannot be completed, so that
  /// it is not sent again. REQUIRES: give_up() comes next.
  void keep_delivered();
  /// Gives the transaction up, with its session: its sources go back to their confirmed
  /// positions.
  void give_up();

  /// Whether the store can take what it refused last, so that a transaction is worth beginning.
  /// Errors: the store's.
  Status probe_store();
  /// The store has refused something, and probe_store() has not succeeded since.
  bool store_is_refusing() const { return refused_bytes_ > 0; }

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
  Status note_store(Status stored, size_t rows);

  const LaneSetup& setup_;
  Sources& sources_;
  Inbox& inbox_;
  Blame& blame_;
  Feed& feed_;
  LaneLedger& ledger_;
  LastDelivered& delivered_;
  State state_;
  size_t refused_bytes_ = 0;  // How much the store refused, roughly; 0: nothing.
};

}  // namespace longshore::agent
