// Goal: no line is lost, none comes twice, each source stays in order, the checkpoint is never
// ahead of the broker and the ledger balances, whatever happens and whenever the agent dies.
// Method: the real agent from event to lane on one thread in virtual time, in a world that one
// seed determines. A seed that fails prints the command that repeats it.
//
//   simulation_test [--seeds N] [--first S | --random] [--jobs J]  LONGSHORE_LONG=1: 100,000 seeds
//   simulation_test --seed S [--verbose]                           one world; prints every event
//   ... --rotations shifted,rising,dated,copytruncate,linked,compressed,rewritten,none   only these

#include <spdlog/spdlog.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <vector>

#include "tests/simulation/world.h"

namespace longshore::simulation {
namespace {

struct Arguments {
  uint64_t first = 1, seeds = 2'000;
  int jobs = 1;
  bool one = false, verbose = false;
  Habits habits;
};

struct Outcome {
  bool passed = false;
  uint64_t hash = 0;
};

Outcome run_seed(uint64_t seed, const Arguments& arguments, bool summary) {
  World world(seed, arguments.habits, summary && arguments.verbose);
  Outcome outcome;
  try {
    world.run();
    outcome.passed = true;
  } catch (const Violation& violation) {
    std::printf("seed %lu: %s\n  again: simulation_test --seed %lu --verbose\n", seed,
                violation.what.c_str(), seed);
  } catch (const std::exception& error) {
    std::printf("seed %lu: %s\n", seed, error.what());
  }
  outcome.hash = world.timeline().hash();
  if (summary) {
    std::printf("seed %lu: %s, trace %016lx, %d lives, %zu commits, %zu records\n", seed,
                outcome.passed ? "passed" : "FAILED", outcome.hash, world.lives(),
                world.broker().commits(), world.broker().committed().size());
  }
  std::fflush(stdout);
  return outcome;
}

// Every hundredth seed is run twice: the same seed is the same run.
int run_share(const Arguments& arguments, int job) {
  int failed = 0;
  const uint64_t tenth = std::max<uint64_t>(arguments.seeds / 10, 1);
  for (uint64_t i = static_cast<uint64_t>(job); i < arguments.seeds;
       i += static_cast<uint64_t>(arguments.jobs)) {
    const uint64_t seed = arguments.first + i;
    if (i > 0 && i % tenth == 0) {
      std::printf("%lu of %lu seeds\n", i, arguments.seeds);
      std::fflush(stdout);
    }
    const Outcome outcome = run_seed(seed, arguments, false);
    if (!outcome.passed) ++failed;
    if (i % 100 == 0 && run_seed(seed, arguments, false).hash != outcome.hash) {
      std::printf("seed %lu: two runs differ\n", seed);
      ++failed;
    }
  }
  return failed;
}

int run_all(const Arguments& arguments) {
  std::vector<pid_t> children;
  for (int job = 0; job < arguments.jobs; ++job) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(std::min(run_share(arguments, job), 100));
    children.push_back(child);
  }
  int failed = 0;
  for (const pid_t child : children) {
    int status = 0;
    ::waitpid(child, &status, 0);
    failed += WIFEXITED(status) ? WEXITSTATUS(status) : 1;
    if (!WIFEXITED(status)) std::printf("a job died by signal %d\n", WTERMSIG(status));
  }
  std::printf("%lu seeds from %lu, %d failed%s\n", arguments.seeds, arguments.first, failed,
              failed >= 100 ? " (or more)" : "");
  return failed == 0 ? 0 : 1;
}

std::vector<Rotation> parse_rotations(std::string_view list) {
  constexpr const char* kNames[] = {"none",         "shifted", "rising",     "dated",
                                    "copytruncate", "linked",  "compressed", "rewritten"};
  std::vector<Rotation> rotations;
  for (size_t i = 0; i < std::size(kNames); ++i) {
    if (list.find(kNames[i]) != list.npos) rotations.push_back(static_cast<Rotation>(i));
  }
  if (rotations.empty()) std::exit(2);
  return rotations;
}

Arguments parse(int argc, char** argv) {
  Arguments arguments;
  const char* const is_long = std::getenv("LONGSHORE_LONG");
  if (is_long != nullptr && *is_long != '\0') arguments.seeds = 100'000;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--verbose") {
      arguments.verbose = true;
      continue;
    }
    if (name == "--random") {
      arguments.first = std::random_device()();
      continue;
    }
    if (i + 1 == argc) std::exit(2);
    if (name == "--rotations") {
      arguments.habits = {parse_rotations(argv[++i]), true};
      continue;
    }
    const uint64_t value = std::strtoull(argv[++i], nullptr, 10);
    if (name == "--seeds") arguments.seeds = value;
    if (name == "--first") arguments.first = value;
    if (name == "--jobs") arguments.jobs = static_cast<int>(value);
    if (name == "--seed") arguments.first = value, arguments.one = true;
  }
  return arguments;
}

}  // namespace
}  // namespace longshore::simulation

int main(int argc, char** argv) {
  using namespace longshore::simulation;
  // A lease that is broken by a writer is told by SIGIO, as in agent/main.cc.
  std::signal(SIGIO, SIG_IGN);
  const Arguments arguments = parse(argc, argv);
  ::setenv("TMPDIR", "/dev/shm", 0);
  spdlog::set_level(arguments.verbose ? spdlog::level::debug : spdlog::level::off);
  spdlog::set_pattern("                 %l: %v");
  if (!arguments.one) return run_all(arguments);
  return run_seed(arguments.first, arguments, true).passed ? 0 : 1;
}
