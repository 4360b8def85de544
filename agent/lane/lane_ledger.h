// The ledger's part in a lane's transactions: entries about what happened to bytes, besides the
// records themselves. They go to the ledger's topic with those records, and into the checkpoint
// with their states.
//
//   Tail --take_events()--> LaneSource.ledger --+
//   store: entries that no transaction shipped --+--> records of transaction N, rows of PREPARE N
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/lane/destinations.h"
#include "agent/lane/lane_setup.h"
#include "agent/lane/sources.h"
#include "config/ledger.h"

namespace longshore::agent {

/// Thread: its lane's.
class LaneLedger {
 public:
  LaneLedger(const LaneSetup& setup, Sources& sources, Destinations& destinations);

  /// Takes over what the source's tail has to tell, and logs losses.
  void take_events(LaneSource& source);

  /// Reads the entries of earlier transactions that nobody shipped. Errors: the store's.
  Status load_waiting();
  void forget_waiting() { waiting_.clear(); }
  bool any_waiting() const { return !waiting_.empty(); }

  /// Where its records go; null while its topic cannot take them: then they wait in the checkpoint,
  /// and nothing else waits for them.
  Destination* destination();
  /// When destination() is worth another call; 0: it gave one.
  int64_t retry_at_ns() const { return retry_at_ns_; }

  /// All entries that belong to the open transaction: those that wait, and those of its sources.
  std::vector<LedgerEntry> of_transaction() const;
  void append_record(const LedgerEntry& entry, shipper::Chunk& chunk) const;

 private:
  struct About {
    shipper::Envelope envelope;
    std::string topic;
  };
  About about(SourceId id) const;
  About about(const RefusedLog& log) const;

  const LaneSetup& setup_;
  Sources& sources_;
  Destinations& destinations_;
  std::vector<LedgerEntry> waiting_;
  int64_t retry_at_ns_ = 0;
};

}  // namespace longshore::agent
