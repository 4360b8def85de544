// Runs `longshore replay` with checked settings: checks that the topic and the service are there,
// and wires the pump to the replayer and its indexer.
#pragma once

#include <string>

#include "config/result.h"
#include "integrations/kafka/stop_signals.h"
#include "integrations/search/index_settings.h"

namespace longshore::search {

struct Replay {
  bool complete = false;  ///< Each letter up to the end was stored, or listed by --dry-run.
  std::string text;       ///< What became of the letters, several lines.
};

/// Errors: kInvalid, kNotFound: unusable settings; kFatal: it cannot go on.
Result<Replay> replay_letters(const ReplaySettings& settings, const kafka::Stopping& stopping);

}  // namespace longshore::search
