// The contents of a state directory as `longshore checkpoint ls` prints them: a table for people,
// JSON for programs. Names and paths come from containers and are never printed raw.
#pragma once

#include <string>
#include <vector>

#include "checkpoint/store.h"
#include "config/result.h"

namespace longshore::agent {

struct CheckpointLane {
  LaneId id;
  checkpoint::LaneRecord record;
  std::vector<checkpoint::StoredSource> sources;
};

/// One reading of a store. Immutable.
struct CheckpointContents {
  std::string host_id, cluster_id;  ///< Empty: not known yet.
  std::vector<CheckpointLane> lanes;
  std::vector<LedgerEntry> ledger;
};

Result<CheckpointContents> read_contents(checkpoint::Store& store);

/// Lanes and their sources.
std::string sources_as_text(const CheckpointContents& contents);
std::string sources_as_json(const CheckpointContents& contents);

/// The ledger alone.
std::string ledger_as_text(const CheckpointContents& contents);
std::string ledger_as_json(const CheckpointContents& contents);

}  // namespace longshore::agent
