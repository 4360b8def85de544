#include <spdlog/spdlog.h>

#include <string>
#include <utility>

#include "integrations/kafka/stop_signals.h"
#include "integrations/search/commands.h"
#include "integrations/search/index_settings.h"
#include "integrations/search/index_topics.h"

namespace longshore::search {

int run_index(const std::vector<std::string>& arguments) {
  auto parsed = parse_index_settings(arguments, process_environment());
  if (!parsed) return complain("index", parsed.error());
  if (!*parsed) return 0;
  IndexSettings settings = **std::move(parsed);
  for (const std::string& url : settings.search.urls) {
    const std::string warning = http::warning_of("--to", url, settings.search.access);
    if (!warning.empty()) spdlog::warn("{}", warning);
  }
  const kafka::StopSignals signals;
  const Status status = index_topics(
      std::move(settings), [&signals](int timeout_ms) { return signals.raised(timeout_ms); });
  if (status) return 0;
  const bool fatal = status.error().code == ErrorCode::kFatal;
  return complain("index", status.error(), fatal ? 1 : 2);
}

}  // namespace longshore::search
