#include "agent/discovery/declared_log.h"

#include <algorithm>

#include "config/glob.h"
#include "config/limits.h"
#include "config/path.h"

namespace longshore::agent {

std::string DeclaredLog::title() const {
  const std::string owner = who.container_id.empty() ? "host" : "container " + who.container_name;
  return owner + ", log " + declaration->name;
}

bool DeclaredLog::is_new_problem(const std::string& problem) {
  if (problems_.size() >= limits::kProblemsPerLogMax) return false;
  return problems_.insert(problem).second;
}

bool DeclaredLog::declares(const WatchDir& directory, const std::string& file_name) const {
  if (!glob_match(last_component(declaration->path), file_name)) return false;
  return declaration->exclude.empty() ||
         !path_matches(declaration->exclude, join_path(directory.container_path, file_name));
}

int64_t DeclaredLog::looks_again_at_ns() const {
  if (!looks_again()) return open_at_ns_;
  return open_at_ns_ == 0 ? look_again_ns : std::min(look_again_ns, open_at_ns_);
}

void DeclaredLog::retry_open(int64_t now_ns) {
  unopened_ns_ = now_ns;
  if (open_at_ns_ > now_ns) return;  // One pause for all files of a scan.
  open_pause_ns_ = std::clamp(2 * open_pause_ns_, limits::kOpenRetryNsMin, limits::kOpenRetryNsMax);
  open_at_ns_ = now_ns + open_pause_ns_;
}

void DeclaredLog::note_scan(int64_t began_ns) {
  scanned = true;
  lacks_files_ = unopened_ns_ != 0 && unopened_ns_ >= began_ns;
  if (open_at_ns_ < began_ns) open_at_ns_ = open_pause_ns_ = 0;
}

}  // namespace longshore::agent
