// Which transaction of a lane is the last one that Kafka is known to have committed.
#pragma once

#include "checkpoint/store.h"
#include "config/ids.h"

namespace longshore::agent {

/// Thread: its lane's.
struct LastDelivered {
  TransactionNumber number;
  /// The store still holds it as prepared: the next PREPARE confirms it, or confirm() does.
  bool is_unconfirmed = false;

  TransactionNumber next() const { return {number.value + 1}; }

  Status confirm(checkpoint::Store& store, LaneId lane) {
    if (!is_unconfirmed) return ok();
    const Status confirmed = store.confirm(lane);
    if (confirmed) is_unconfirmed = false;
    return confirmed;
  }
};

}  // namespace longshore::agent
