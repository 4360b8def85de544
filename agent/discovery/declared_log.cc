#include "agent/discovery/declared_log.h"

#include "config/limits.h"

namespace longshore::agent {

std::string DeclaredLog::title() const {
  const std::string owner = who.container_id.empty() ? "host" : "container " + who.container_name;
  return owner + ", log " + declaration->name;
}

bool DeclaredLog::is_new_problem(const std::string& problem) {
  if (problems_.size() >= limits::kProblemsPerLogMax) return false;
  return problems_.insert(problem).second;
}

void DeclaredLog::note_scan(int64_t began_ns, int64_t now_ns) {
  scanned = true;
  next_scan_ns = now_ns + (now_ns - began_ns) * limits::kScanPauseFactor;
}

}  // namespace longshore::agent
