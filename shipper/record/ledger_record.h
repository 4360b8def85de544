// A ledger entry as a record of the ledger's topic: what `longshore audit` reads.
//
//   key: the source id, 16 hex digits (zeros for a whole lane)
//   {"@timestamp":"T","host":{"name":"H"},"container":{"id":"I","name":"N"},
//    "log":{"file":{"path":"P"}},
//    "longshore":{"source":"S","name":"D","topic":"O","lane":L,"event":"opened","reason":"R",
//                 "count":C,"generation":G,"start":A,"end":B,"detail":"T"}}
//
// `event` is opened, closed, ended, lost, doubt or refused (config/ledger.h); `topic` is where the
// source's records go; only a refusal has a `count`, of what was refused. `container`, `topic`,
// `reason` and `detail` are left out if they are empty.
#pragma once

#include "config/ledger.h"
#include "shipper/record/record_encoder.h"

namespace longshore::shipper {

/// Appends `entry` to `chunk`. `about` is the envelope of its source (empty for a whole lane), and
/// `topic` is where the source's records go.
void append_ledger_record(const LedgerEntry& entry, const Envelope& about, const std::string& topic,
                          Chunk& chunk);

/// Sets keys, payloads and value_bytes. Call it after the last entry.
void finish_ledger_records(Chunk& chunk);

}  // namespace longshore::shipper
