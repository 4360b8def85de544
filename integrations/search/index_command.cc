#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <string>
#include <utility>

#include "config/clock.h"
#include "integrations/kafka/stop_signals.h"
#include "integrations/search/commands.h"
#include "integrations/search/index_settings.h"
#include "integrations/search/index_topics.h"
#include "integrations/search/old_indices.h"

namespace longshore::search {
namespace {

/// --prune: deletes once, and prints each name.
Status prune(const IndexSettings& settings) {
  const SystemClock clock;
  SearchNode node(settings.search, nullptr);
  OldIndices old(*settings.keep, clock, node);
  const auto found = old.find();
  if (!found) return found.error();
  Status first_error = ok();
  for (const std::string& name : *found) {
    const Status removed = settings.dry_run ? ok() : old.remove(name);
    if (removed) {
      fmt::print("{} {}\n", settings.dry_run ? "would delete" : "deleted", name);
    } else if (first_error) {
      first_error = removed;
    }
  }
  if (!first_error) return first_error;
  const std::chrono::year_month_day first(first_kept_day(settings.keep->days, clock));
  fmt::print("{} {} indices; kept is what holds records from {:04}-{:02}-{:02} on\n",
             settings.dry_run ? "would delete" : "deleted", found->size(),
             static_cast<int>(first.year()), static_cast<unsigned>(first.month()),
             static_cast<unsigned>(first.day()));
  return ok();
}

}  // namespace

int run_index(const std::vector<std::string>& arguments) {
  auto parsed = parse_index_settings(arguments, process_environment());
  if (!parsed) return complain("index", parsed.error());
  if (!*parsed) return 0;
  IndexSettings settings = **std::move(parsed);
  for (const std::string& url : settings.search.urls) {
    const std::string warning = http::warning_of("--to", url, settings.search.access);
    if (!warning.empty()) spdlog::warn("{}", warning);
  }
  if (settings.prune) {
    const Status pruned = prune(settings);
    if (pruned) return 0;
    return complain("index", pruned.error(), pruned.error().code == ErrorCode::kInvalid ? 2 : 1);
  }
  const kafka::StopSignals signals;
  const Status status = index_topics(
      std::move(settings), [&signals](int timeout_ms) { return signals.raised(timeout_ms); });
  if (status) return 0;
  const bool fatal = status.error().code == ErrorCode::kFatal;
  return complain("index", status.error(), fatal ? 1 : 2);
}

}  // namespace longshore::search
