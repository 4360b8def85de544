#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <string>
#include <utility>

#include "integrations/kafka/stop_signals.h"
#include "integrations/search/commands.h"
#include "integrations/search/index_settings.h"
#include "integrations/search/replay_letters.h"

namespace longshore::search {

int run_replay(const std::vector<std::string>& arguments) {
  auto parsed = parse_replay_settings(arguments, process_environment());
  if (!parsed) return complain("replay", parsed.error());
  if (!*parsed) return 0;
  const ReplaySettings settings = **std::move(parsed);
  for (const std::string& url : settings.index.search.urls) {
    const std::string warning = http::warning_of("--to", url, settings.index.search.access);
    if (!warning.empty()) spdlog::warn("{}", warning);
  }
  const kafka::StopSignals signals;
  const Result<Replay> replay =
      replay_letters(settings, [&signals](int timeout_ms) { return signals.raised(timeout_ms); });
  if (!replay) {
    const bool fatal = replay.error().code == ErrorCode::kFatal;
    return complain("replay", replay.error(), fatal ? 1 : 2);
  }
  fmt::print("{}", replay->text);
  return replay->complete ? 0 : 1;
}

}  // namespace longshore::search
