// The way out of a refusal: takes the transaction number that Kafka holds of a lane, keeps the
// local positions, and says in the ledger what may be doubled by that.
#pragma once

#include <string>

#include "checkpoint/store.h"
#include "config/clock.h"
#include "shipper/kafka/kafka.h"

namespace longshore::agent {

/// Adopts when the recovery table refuses, and changes nothing when it does not. Gives what was
/// done as sentences for the operator.
/// Errors: kInvalid: no such lane, another cluster, no answer; nothing was changed. Else the
/// store's.
Result<std::string> adopt_lane(LaneId lane, checkpoint::Store& store, shipper::Kafka& kafka,
                               const Clock& clock);

}  // namespace longshore::agent
