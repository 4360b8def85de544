// What a scan tells: problems, what is refused, what waits for room, what is missing.

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "agent/discovery/log_scanner.h"
#include "config/limits.h"

namespace longshore::agent {

void LogScanner::report_problems(const Look& look) {
  report_missing(look);
  for (const std::string& problem : look.found.problems) {
    if (!look.log.is_new_problem(problem)) continue;
    spdlog::warn("{}: {}", look.log.title(), problem);
  }
  const Refused& refused = look.found.refused;
  if (refused.directories > 0) {
    parts_.refusals.note(look.log, "directories", refused.directories,
                         fmt::format("the pattern leads through {} directories more than the {} "
                                     "that one log may have; the newest are looked at",
                                     refused.directories, limits::kScanDirectoriesMax));
  }
  const bool is_crowded = std::ranges::any_of(
      look.directories, [](const auto& each) { return each.second.has_too_many_names(); });
  if (is_crowded) {
    parts_.refusals.note(look.log, "names", 0,
                         fmt::format("a directory holds more than {} names; rotated files that "
                                     "stand after them are not found",
                                     limits::kDirectoryEntriesMax));
  } else if (refused.names) {
    parts_.refusals.note(look.log, "names", 0,
                         "a scan would visit too many names; what it did not reach is not "
                         "collected. Declare a narrower pattern");
  }
  if (look.unknown > 0) {
    parts_.refusals.note(
        look.log, "sources", look.unknown,
        fmt::format("{} files are not collected, because as many logs are known as "
                    "one container may have, or all together; delete or exclude "
                    "old ones",
                    look.unknown));
  }
  wait_for_room(look.log, refused.files + look.log.unopened);
}

// `files` are collected once there is room: others are closed for them, or read to their ends.
void LogScanner::wait_for_room(DeclaredLog& log, uint64_t files) {
  const int64_t now = clock_.monotonic_ns();
  log.waits = files > 0;
  if (!log.waits) log.waits_since_ns = 0;
  if (!log.waits) return;
  log.look_again_ns = now + limits::kRoomLookNs;
  if (log.waits_since_ns == 0) log.waits_since_ns = now;
  if (now - log.waits_since_ns < limits::kRoomToldNs) return;
  parts_.refusals.note(log, "files", files,
                       fmt::format("{} files wait until others are read and closed, because too "
                                   "many are open; what is deleted meanwhile is not collected",
                                   files));
}

// While a container is removed its directories go before its logs do.
void LogScanner::report_missing(const Look& look) {
  DeclaredLog& log = look.log;
  const int64_t now_ns = clock_.monotonic_ns();
  if (look.found.missing.empty() || log.ended) {
    log.missing_since_ns = 0;
    return;
  }
  log.is_watched = false;  // Each sweep looks again.
  if (log.missing_since_ns == 0) log.missing_since_ns = now_ns;
  if (now_ns - log.missing_since_ns < limits::kMissingNs) return;
  for (const std::string& sentence : look.found.missing) {
    if (log.is_new_problem(sentence)) spdlog::warn("{}: {}", log.title(), sentence);
  }
}

}  // namespace longshore::agent
