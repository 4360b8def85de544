#include <spdlog/spdlog.h>

#include <iostream>
#include <string>
#include <utility>

#include "config/log.h"
#include "integrations/kafka/command_line.h"
#include "integrations/kafka/stop_signals.h"
#include "integrations/search/commands.h"
#include "integrations/search/index_settings.h"
#include "integrations/search/index_topics.h"

namespace longshore::search {

int run_index(int argc, char** argv) {
  const kafka::Flags flags = index_flags();
  const auto values = kafka::parse_flags(argc, argv, flags);
  if (!values) return kafka::complain("index", values.error());
  if (values.value().count("help")) {
    std::cout << flags << std::flush;
    return 0;
  }
  auto settings = index_settings(values.value());
  if (!settings) return kafka::complain("index", settings.error());
  start_log();
  for (const std::string& url : settings->search.urls) {
    const std::string warning = http::warning_of("--to", url, settings->search.access);
    if (!warning.empty()) spdlog::warn("{}", warning);
  }
  const kafka::StopSignals signals;
  const Status status = index_topics(
      *std::move(settings), [&signals](int timeout_ms) { return signals.raised(timeout_ms); });
  if (status) return 0;
  const bool fatal = status.error().code == ErrorCode::kFatal;
  return kafka::complain("index", status.error(), fatal ? 1 : 2);
}

}  // namespace longshore::search
