// The way out when a lane is refused: takes over the transaction number that Kafka holds for the
// lane, keeps the local positions, and records in the ledger which bytes may be duplicated.
#pragma once

#include <string>

#include "checkpoint/store.h"
#include "config/clock.h"
#include "shipper/kafka/kafka.h"

namespace longshore::agent {

/// Adopts if the recovery table refuses the lane; otherwise changes nothing. Returns sentences that
/// tell the operator what was done.
/// Errors: kInvalid: no such lane, another cluster, or no answer from Kafka; nothing was changed.
/// Otherwise those of the store.
Result<std::string> adopt_lane(LaneId lane, checkpoint::Store& store, shipper::Kafka& kafka,
                               const Clock& clock);

}  // namespace longshore::agent
