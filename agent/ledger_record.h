// A ledger entry as a record of the ledger's topic: what `longshore audit` reads.
//
//   key: the source id, 16 hex digits (zeros for a whole lane)
//   {"@timestamp":"T","host":{"name":"H"},"container":{"id":"I","name":"N"},
//    "log":{"file":{"path":"P"}},
//    "longshore":{"source":"S","name":"D","lane":L,"event":"opened","reason":"R",
//                 "generation":G,"start":A,"end":B,"detail":"T"}}
//
// `event` is opened, closed, ended, lost or doubt (checkpoint/ledger.h); `container`, `reason` and
// `detail` are left out where there is none.
#pragma once

#include "checkpoint/ledger.h"
#include "shipper/record_encoder.h"

namespace longshore::agent {

/// Appends `entry` to `chunk`, `about` being the envelope of its source (without one of a lane).
void append_ledger_record(const checkpoint::LedgerEntry& entry, const shipper::Envelope& about,
                          shipper::Chunk& chunk);

/// Sets keys, payloads and value_bytes, once no more entries follow.
void finish_ledger_records(shipper::Chunk& chunk);

}  // namespace longshore::agent
