// What is done in the search service before the first record: its kind is found out, and the index
// templates are installed.
#pragma once

#include "config/result.h"
#include "integrations/kafka/complaints.h"
#include "integrations/kafka/stop_signals.h"
#include "integrations/search/index_settings.h"
#include "integrations/search/search_node.h"

namespace longshore::search {

/// Waits until the service is there. A template of the server that is newer than ours stays.
/// Errors: kInvalid; kRetryable: told to stop before.
Status set_up_service(const IndexSettings& settings, const kafka::Stopping& stopping,
                      kafka::Complaints& complaints, SearchNode& node);

}  // namespace longshore::search
