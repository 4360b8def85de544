// Runs `longshore index` with checked settings: checks that both sides are there, and wires the
// pump to the indexer and its threads.
//
//   Pump --> Indexer --> BulkPool --> BulkWorker (one for each thread)
#pragma once

#include "config/result.h"
#include "integrations/kafka/stop_signals.h"
#include "integrations/search/index_settings.h"

namespace longshore::search {

/// Runs until `stopping`. Errors: kInvalid, kNotFound: unusable settings; kFatal: it cannot go on.
Status index_topics(IndexSettings settings, const kafka::Stopping& stopping);

}  // namespace longshore::search
