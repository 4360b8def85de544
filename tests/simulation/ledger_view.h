// The ledger as the verdict reads it: what the checkpoint holds and what Kafka holds of it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/ids.h"

namespace longshore::simulation {

class World;

struct LedgerLine {
  SourceId source;
  uint64_t start = 0, end = 0;
  std::string event, reason;
  bool is_kept() const { return event == "lost" || event == "doubt" || event == "refused"; }
};

/// All entries that the ledger's topic holds, in its order. Throws Violation where one is no entry.
std::vector<LedgerLine> shipped_ledger(const World& world);
/// These, and those that the checkpoint holds.
std::vector<LedgerLine> read_ledger(World& world);
/// Every loss and doubt of the checkpoint is in the topic, nothing twice. Throws Violation.
void check_shipped_once(World& world);

}  // namespace longshore::simulation
