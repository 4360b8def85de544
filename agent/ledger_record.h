// A ledger entry as a record of the ledger's topic: what `longshore audit` reads.
//
//   key: the source id, 16 hex digits (zeros for a whole lane)
//   {"@timestamp":"T","host":{"name":"H"},"container":{"id":"I","name":"N"},
//    "log":{"file":{"path":"P"}},
//    "longshore":{"source":"S","name":"D","topic":"O","lane":L,"event":"opened","reason":"R",
//                 "generation":G,"start":A,"end":B,"detail":"T"}}
//
// `event` is opened, closed, ended, lost or doubt (checkpoint/ledger.h); `topic` is where the
// source's records go; `container`, `topic`, `reason` and `detail` are left out where there is
// none.
#pragma once

#include "checkpoint/ledger.h"
#include "shipper/record_encoder.h"

namespace longshore::agent {

/// Appends `entry` to `chunk`, `about` being the envelope of its source (without one of a lane) and
/// `topic` where its records go.
void append_ledger_record(const checkpoint::LedgerEntry& entry, const shipper::Envelope& about,
                          const std::string& topic, shipper::Chunk& chunk);

/// Sets keys, payloads and value_bytes, once no more entries follow.
void finish_ledger_records(shipper::Chunk& chunk);

}  // namespace longshore::agent
