// What a lane does between its transactions: stores states that wait for no transaction, keeps its
// offset alive in Kafka, records that the agent is alive, and forgets sources that have been gone
// for long.
#pragma once

#include <cstdint>
#include <utility>

#include "agent/lane/lane_setup.h"
#include "agent/lane/last_delivered.h"
#include "agent/lane/open_transaction.h"
#include "agent/lane/sources.h"
#include "agent/lane/transactional_ids.h"
#include "config/backoff.h"
#include "config/limits.h"

namespace longshore::agent {

/// Thread: its lane's.
class Housekeeping {
 public:
  Housekeeping(const LaneSetup& setup, Sources& sources, OpenTransaction& transaction,
               LastDelivered& delivered, TransactionalIds& ids);

  /// Stores what waits for no further transaction: the last CONFIRM, and the states of sources that
  /// drifted (rotations of a log that writes nothing), so that their files can be let go.
  /// REQUIRES: no transaction is open. Errors: the store's.
  Status settle();
  /// When settle() stores drifted states at the earliest.
  int64_t next_settle_ns() const { return next_settle_ns_; }

  /// Whatever is due now. Does nothing while a transaction is open. Errors: those of the store and
  /// of OpenTransaction.
  Status tend();
  /// A transactional id that was left is free again: a new session takes it up, and finds out
  /// whether somebody else has used it. True once.
  bool take_over_is_due() { return std::exchange(take_over_is_due_, false); }
  /// An offset was committed: Kafka keeps it for another period.
  void offset_committed() { offset_committed_ns_ = setup_.clock.monotonic_ns(); }

 private:
  Status keep_offset(int64_t now_ns);
  Status note_alive(int64_t now_ns);
  void forget_gone(int64_t now_ns);
  Status look_at_left_id(int64_t now_ns);

  const LaneSetup& setup_;
  Sources& sources_;
  OpenTransaction& transaction_;
  LastDelivered& delivered_;
  TransactionalIds& ids_;
  Backoff left_id_wait_{limits::kLeftIdNsMin, limits::kLeftIdNsMax};
  int64_t next_left_id_ns_ = 0;
  bool take_over_is_due_ = false;
  int64_t next_settle_ns_ = 0;
  int64_t offset_committed_ns_ = 0;
  int64_t next_alive_ns_ = 0;
  int64_t next_forget_ns_ = 0;
};

}  // namespace longshore::agent
