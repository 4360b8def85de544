// Reads the sources that are ready into the open transaction, a chunk a turn.
//
//   Scheduler --source--> SourceReader --Chunk--> OpenTransaction
//       ^--- again now, later, or when something happens ---'
#pragma once

#include "agent/lane/batch_policy.h"
#include "agent/lane/destinations.h"
#include "agent/lane/feed.h"
#include "agent/lane/inbox.h"
#include "agent/lane/kafka_outage.h"
#include "agent/lane/lane_ledger.h"
#include "agent/lane/lane_setup.h"
#include "agent/lane/open_transaction.h"
#include "agent/lane/sources.h"

namespace longshore::agent {

/// Thread: its lane's.
class SourceReader {
 public:
  SourceReader(const LaneSetup& setup, Sources& sources, Destinations& destinations, Inbox& inbox,
               BatchPolicy& batches, Feed& feed, LaneLedger& ledger, OpenTransaction& transaction,
               KafkaOutage& outage);

  /// One round: until nothing is ready, everything that is ready has to wait for the broker, or the
  /// transaction is due. Errors: as of OpenTransaction.
  Status read_ready();
  /// Whether the open transaction is large or old enough, or nothing more can join it.
  bool transaction_is_due() const;

 private:
  Status take_turn(LaneSource& source, bool& ends_round);
  bool find_destination(LaneSource& source);
  Status read(LaneSource& source);

  const LaneSetup& setup_;
  Sources& sources_;
  Destinations& destinations_;
  Inbox& inbox_;
  BatchPolicy& batches_;
  Feed& feed_;
  LaneLedger& ledger_;
  OpenTransaction& transaction_;
  KafkaOutage& outage_;
};

}  // namespace longshore::agent
