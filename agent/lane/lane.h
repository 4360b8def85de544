// A lane ships its sources: reads them, streams their records into one open Kafka transaction, and
// moves the checkpoint only by the delivery protocol (docs/internals.md).
//
//   watch loop --ToLane--> Inbox -> Sources -> SourceReader -> OpenTransaction -> Feed -> Kafka
//                                                                    |
//                                                  PREPARE (durable) -> offset -> commit
//
// Crash-only: whatever fails, the session is destroyed, the sources go back to their confirmed
// positions, and the lane starts as after a kill -9 (TakeOver).
#pragma once

#include <cstdint>

#include "agent/lane/batch_policy.h"
#include "agent/lane/blame.h"
#include "agent/lane/destinations.h"
#include "agent/lane/feed.h"
#include "agent/lane/housekeeping.h"
#include "agent/lane/inbox.h"
#include "agent/lane/kafka_outage.h"
#include "agent/lane/lane_ledger.h"
#include "agent/lane/lane_setup.h"
#include "agent/lane/last_delivered.h"
#include "agent/lane/open_transaction.h"
#include "agent/lane/source_reader.h"
#include "agent/lane/sources.h"
#include "agent/lane/stuck_partitions.h"
#include "agent/lane/take_over.h"
#include "agent/lane/transactional_ids.h"
#include "config/backoff.h"
#include "config/limits.h"

namespace longshore::agent {

/// Thread: its own; run() is the thread's body. Talks to the rest through the two mailboxes only.
class Lane {
 public:
  Lane(LaneSetup setup, Sources& sources, Destinations& destinations);
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  /// Ships until told to stop or, with `once`, until everything is shipped. Its last message is a
  /// LaneStopped. Errors end it only when going on would break a promise.
  void run();

 private:
  Status probe_store();
  Status start_session();
  Status ship();
  Status close_transaction();
  Status try_larger_batches();
  Status renew_session();
  Status tend();
  bool finished() const;
  void wait_for_work();
  void note_failure(const Error& error);
  bool wait_before_retry();

  const LaneSetup setup_;
  Sources& sources_;
  LastDelivered delivered_;
  Inbox inbox_;
  BatchPolicy batches_;
  KafkaOutage outage_;
  StuckPartitions stuck_;
  Blame blame_;
  Feed feed_;
  LaneLedger ledger_;
  OpenTransaction transaction_;
  SourceReader reader_;
  TransactionalIds ids_;
  Housekeeping housekeeping_;
  TakeOver take_over_;
  int failures_ = 0;                    // Sessions in a row that failed.
  int64_t store_refuses_since_ns_ = 0;  // 0: it does not.
  Backoff retry_{limits::kRetryNsMin, limits::kRetryNsMax};
};

}  // namespace longshore::agent
