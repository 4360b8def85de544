// The way out of a refusal: takes over the transaction number that Kafka holds for a lane, keeps
// the local positions, and enters into the ledger what may be doubled.
#pragma once

#include <string>

#include "checkpoint/store.h"
#include "config/clock.h"
#include "shipper/kafka/kafka.h"

namespace longshore::agent {

/// Adopts if the recovery table refuses the lane; otherwise changes nothing. Returns sentences for
/// the operator that tell what was done.
/// Errors: kInvalid: no such lane, another cluster, no answer; nothing was changed. Else the
/// store's.
Result<std::string> adopt_lane(LaneId lane, checkpoint::Store& store, shipper::Kafka& kafka,
                               const Clock& clock);

}  // namespace longshore::agent
