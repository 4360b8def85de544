// The start of every session, the first one and each after a failure. Compares the checkpoint with
// Kafka before it fences a predecessor, and ships nothing before the recovery table has been
// applied.
//
//   cluster -> checkpoint topic -> offset -> take the transactional id over -> stable offset
//           -> recovery table (checkpoint/recovery.h) -> resume
//
// An id that stays busy is left for another (TransactionalIds).
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "agent/lane/feed.h"
#include "agent/lane/inbox.h"
#include "agent/lane/kafka_outage.h"
#include "agent/lane/lane_setup.h"
#include "agent/lane/last_delivered.h"
#include "agent/lane/open_transaction.h"
#include "agent/lane/sources.h"
#include "agent/lane/transactional_ids.h"
#include "checkpoint/recovery.h"

namespace longshore::agent {

/// Thread: its lane's.
class TakeOver {
 public:
  TakeOver(const LaneSetup& setup, Sources& sources, Inbox& inbox, Feed& feed,
           OpenTransaction& transaction, LastDelivered& delivered, TransactionalIds& ids,
           KafkaOutage& outage);

  /// Starts the feed with a session whose batches hold `batch_bytes`.
  /// Errors: kInvalid: refused, the sentence tells what to do; kFatal: the store's; all others:
  /// give the session up and try again.
  Status run(size_t batch_bytes);

 private:
  Status check_cluster();
  Status check_checkpoint_topic();
  Result<shipper::TopicShape> ask_about_checkpoint(int timeout_ms);
  void kafka_is_away(const Error& error);
  void look_for_kafka();
  Result<checkpoint::CommittedOffset> committed_offset(bool stable);
  Status open_session(size_t batch_bytes);
  Status fence_predecessor(size_t batch_bytes);
  bool outcome_is_known() const;
  bool predecessor_is_stuck();
  Status leave_id(size_t batch_bytes);

  Status apply(const checkpoint::Recovery& recovery);
  Status note_doubt(const checkpoint::Recovery& recovery, const char* reason);
  Status ledger_prepared(const std::string& reason, const std::string& detail);
  Status ledger_lane(LedgerEvent event, const std::string& reason, const std::string& detail);
  Status reload_unconfirmed();

  const LaneSetup& setup_;
  Sources& sources_;
  Inbox& inbox_;
  Feed& feed_;
  OpenTransaction& transaction_;
  LastDelivered& delivered_;
  TransactionalIds& ids_;
  KafkaOutage& outage_;
  const std::string group_;
  std::vector<std::string> predecessors_topics_;  // Those asked about longest ago come first.
  int64_t next_look_ns_ = 0;                      // For a broker that answers.
  std::string noted_doubt_;    // A recovery that stands in the ledger and has to be tried again.
  bool started_over_ = false;  // The sources are what --new-cluster=restart left of them.
};

}  // namespace longshore::agent
