// SourceState and SourceRow as columns of the database: written and read in this one place.
#pragma once

#include "checkpoint/database.h"
#include "checkpoint/store.h"

namespace longshore::checkpoint {

/// The columns of table `state` after (source, number, lane), in the order of bind_state().
#define LONGSHORE_STATE_COLUMNS                                                            \
  "generation, device, inode, birth_ns, base, offset, covered, part, gap_pending, topic, " \
  "partition, tail, marks, closed, ended, seen_bytes, boot, begun, file_path, ends, proof"
#define LONGSHORE_STATE_PARAMETERS "?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?"
#define LONGSHORE_SOURCE_COLUMNS \
  "id, lane, host_path, stream, name, container_id, container_name, first_seen_ns, gone_ns"

void bind_state(Statement& statement, const SourceState& state);
/// Reads the columns from `column` on; NULLs give the default state. Errors: kCorrupt.
Result<SourceState> read_state(const Statement& statement, int column);

void bind_source(Statement& statement, const SourceRow& row);
SourceRow read_source(const Statement& statement);

/// The bytes that go into a transaction's digest.
std::string state_bytes(const PreparedSource& source);

}  // namespace longshore::checkpoint
