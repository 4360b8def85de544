// Repeats a step that a consumer cannot start without.
#pragma once

#include <functional>
#include <string>

#include "config/result.h"
#include "integrations/kafka/complaints.h"
#include "integrations/kafka/stop_signals.h"

namespace longshore::kafka {

/// Calls `attempt` once a second until it succeeds or fails for good. Errors: its own; kRetryable
/// only when the process is to end. `what` begins the warnings: "<what> waits: <error>".
Status persist(const std::string& what, const Stopping& stopping, Complaints& complaints,
               const std::function<Status()>& attempt);

}  // namespace longshore::kafka
