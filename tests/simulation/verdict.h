// What must hold whatever happened: the promises of docs/limits.md as predicates over a world.
#pragma once

#include <cstddef>

namespace longshore::simulation {

class World;

/// At the end of each life: the checkpoint is never ahead of the broker. Throws Violation.
void check_checkpoint(World& world);
/// At the end of a run: no line lost, none twice, in order, ranges meet, the ledger balances. What
/// nobody could read is excused, and what is missing or doubled otherwise stands in the ledger.
/// Throws Violation.
void check_end(World& world);
/// How many records of sources are committed.
size_t count_data(const World& world);

}  // namespace longshore::simulation
