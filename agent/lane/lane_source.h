// One source in the hands of a lane.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "agent/lane/destinations.h"
#include "agent/link/messages.h"
#include "agent/tail/tail.h"
#include "checkpoint/source_state.h"
#include "config/ledger.h"
#include "shipper/record/record_encoder.h"

namespace longshore::agent {

/// When a source is looked at next. Only the Scheduler changes it.
struct Turn {
  bool is_ready = false;   ///< Stands in the ring.
  int64_t wake_at_ns = 0;  ///< Comes back into the ring then; 0: when something happens to it.
  uint64_t wake_order = 0;
};

/// How its state relates to the confirmed one. Only MovedSources changes it.
enum class Ahead : uint8_t {
  kNo,
  kDrifted,  ///< Its state advanced outside a transaction; there is nothing to ship.
  kMoved,    ///< It belongs to the open transaction.
};

/// Thread: its lane's.
struct LaneSource {
  LaneSource(std::shared_ptr<const SourceSpec> source_spec, checkpoint::SourceState state,
             const shipper::Envelope& envelope, int64_t rotate_wait_ns, Boots boots,
             std::shared_ptr<LogReader> reader = std::make_shared<LogReader>())
      : spec(std::move(source_spec)),
        confirmed(std::move(state)),
        tail(spec->declaration->stream, confirmed, rotate_wait_ns, boots, std::move(reader)),
        encoder(envelope) {}

  std::shared_ptr<const SourceSpec> spec;
  checkpoint::SourceState confirmed;
  Tail tail;
  shipper::RecordEncoder encoder;
  Destination* destination = nullptr;    ///< Null: to be found.
  bool has_changed_destination = false;  ///< Within the open transaction.
  Turn turn;
  Ahead ahead = Ahead::kNo;
  size_t begun_bytes = 0;           ///< Of its tail, as Sources has counted them.
  Position counted;                 ///< How far its tail had read when Sources counted that.
  std::vector<LedgerEntry> ledger;  ///< Since its confirmed state.
};

/// "log access of container web-1 (/path, 0123456789abcdef)", for log lines.
std::string described(const SourceSpec& spec);

}  // namespace longshore::agent
