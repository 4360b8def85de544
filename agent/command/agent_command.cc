#include <spdlog/spdlog.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <thread>
#include <utility>

#include "agent/command/commands.h"
#include "agent/command/progress.h"
#include "agent/run/agent.h"
#include "checkpoint/state_dir.h"
#include "checkpoint/store.h"
#include "config/log.h"
#include "config/settings.h"
#include "shipper/kafka/settings.h"

namespace longshore::agent {
namespace {

// Waits while the disk is full. The agent goes on as soon as there is space, so nobody has to
// restart it.
class SpaceWait {
 public:
  void wait(const std::string& message) {
    if (!std::exchange(logged_, true)) {
      spdlog::error("{} Nothing is shipped until there is space; waiting.", message);
    }
    std::this_thread::sleep_for(std::chrono::seconds(1));
  }

 private:
  bool logged_ = false;
};

Result<checkpoint::StateDir> open_state(const AgentSettings& settings) {
  SpaceWait space;
  for (;;) {
    auto state = checkpoint::StateDir::open(settings.state_dir, settings.ephemeral_state);
    if (state || state.error().code != ErrorCode::kRetryable) return state;
    space.wait(state.error().message);
  }
}

}  // namespace

int run_agent(const std::vector<std::string>& arguments) {
  auto parsed = parse_agent_settings(arguments, process_environment());
  if (!parsed) return complain("agent", parsed.error());
  if (!parsed.value()) return 0;
  AgentSettings& settings = *parsed.value();
  if (Status checked = shipper::check_kafka_settings(settings.kafka); !checked) {
    return complain("agent", checked.error());
  }
  if (settings.delivery == Delivery::kExactlyOnce) {
    auto fitting = shipper::with_transaction_timeout(settings.kafka, settings.linger_ms);
    if (!fitting) return complain("agent", fitting.error());
    settings.kafka = std::move(fitting).value();
  }
  set_log_level(settings.log_level);
  const auto state = open_state(settings);
  if (!state) return complain("agent", state.error());
  // Neither a broken file lease nor a closed pipe may kill the agent.
  std::signal(SIGIO, SIG_IGN);
  std::signal(SIGPIPE, SIG_IGN);
  SpaceWait space;
  const SystemClock clock;
  for (;;) {
    Progress progress(settings.once && ::isatty(STDERR_FILENO) == 1, clock);
    const AgentOutcome outcome =
        run_agent_once(settings, state.value().path(),
                       [&progress](const AgentProgress& now) { progress.show(now); });
    progress.finish();
    if (outcome.wait) {
      space.wait(outcome.message);
      continue;
    }
    if (!outcome.restart) {
      if (outcome.exit_status == 0) return 0;
      return complain("agent", invalid(outcome.message), outcome.exit_status);
    }
    spdlog::error("{} Rebuilding the checkpoint database; nothing is shipped meanwhile.",
                  outcome.message);
    if (Status rebuilt = checkpoint::rebuild_store(state.value().path()); !rebuilt) {
      return complain("agent", rebuilt.error());
    }
  }
}

}  // namespace longshore::agent
