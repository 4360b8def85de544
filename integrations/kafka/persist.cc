#include "integrations/kafka/persist.h"

#include <fmt/format.h>

#include "config/limits.h"

namespace longshore::kafka {

Status persist(const std::string& what, const Stopping& stopping, Complaints& complaints,
               const std::function<Status()>& attempt) {
  for (;;) {
    Status status = attempt();
    if (status || status.error().code != ErrorCode::kRetryable) return status;
    complaints.add(fmt::format("{} waits: {}", what, status.error().message));
    if (stopping(limits::kPersistMs)) return status;
  }
}

}  // namespace longshore::kafka
