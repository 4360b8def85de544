#include "tests/simulation/world.h"

#include <filesystem>

#include "checkpoint/state_dir.h"
#include "tests/simulation/verdict.h"

namespace longshore::simulation {

using Kind = agent::DirectoryEvent::Kind;

constexpr int64_t kPeaceNs = 400 * kSecond;

World::World(uint64_t seed, Habits habits, bool verbose)
    : timeline_(seed, verbose),
      habits_(std::move(habits)),
      plan_(make_plan()),
      mounts_({}),
      broker_(timeline_, plan_.broker) {
  mounts_.refresh();
  broker_.add_topic(kTopic, static_cast<int32_t>(1 + timeline_.random().below(6)));
  broker_.add_topic(kLedgerTopic, 1);
  make_directory("/state");
}

World::~World() = default;

void World::make_directory(const std::string& path) {
  if (!std::filesystem::create_directories(directory_.path() + path)) return;
  files_.made(directory_.path() + path, timeline_.wall_ns());
}

Log& World::add_log(LogOptions options) {
  logs_.push_back(std::make_unique<Log>(std::move(options), timeline_, files_,
                                        static_cast<DirectoryObserver&>(*this)));
  return *logs_.back();
}

void World::run() {
  make_host_logs();
  plan_actions();
  // The first start of all, before which everything is history.
  open_store();
  if (!checkpoint::last_alive(*store_, timeline_.wall_ns())) {
    throw Violation{"the checkpoint cannot be written"};
  }
  disk_.reset();
  while (!timeline_.calm()) live();
  // Whatever life this was, the next one has nothing to say but what is left.
  live();
  const size_t records = count_data(*this);
  live();
  if (count_data(*this) != records) throw Violation{"a life in peace sent records again"};
  open_store();
  check_end(*this);
}

void World::open_store() {
  if (!plan_.on_disk) {
    store_ = &memory_;
    return;
  }
  auto opened = checkpoint::open_store(directory_.path() + "/state");
  if (!opened) throw Violation{"the checkpoint does not open: " + opened.error().message};
  disk_ = std::move(opened).value();
  store_ = disk_.get();
}

void World::live() {
  ++lives_;
  open_store();
  AgentOptions options = plan_.agent;
  options.host_root = directory_.path();
  options.host_sources = host_sources_;
  options.boot = boot_;
  timeline_.begin_life(timeline_.random().magnitude(std::max<int64_t>(plan_.seams_per_life, 1)));
  if (plan_.seams_per_life == 0) timeline_.begin_life(0);
  timeline_.trace("life {} of the agent", lives_);
  life_ = std::make_unique<AgentLife>(options, timeline_, *store_, broker_,
                                      static_cast<const DockerView&>(*this), mounts_,
                                      [this](uint64_t inode) {
                                        for (auto& log : logs_) log->opened(inode);
                                      });
  if (timeline_.calm()) {
    timeline_.at_in_life(timeline_.now() + kPeaceNs, [this] { life_->stop(); });
  }
  agent::LaneStopped stopped;
  try {
    stopped = life_->run();
  } catch (const Crash&) {
    stopped.message = "killed";
  }
  agent_died();
  timeline_.trace("life {} ended: {} {}", lives_, stopped.exit_status, stopped.message);
  if (stopped.restart && plan_.on_disk) {
    disk_.reset();
    if (!checkpoint::rebuild_store(directory_.path() + "/state")) {
      throw Violation{"the checkpoint cannot be rebuilt"};
    }
    open_store();
  } else if (stopped.exit_status != 0 && !stopped.restart) {
    throw Violation{"the agent refuses: " + stopped.message};
  }
  check_checkpoint(*this);
  disk_.reset();
  if (!timeline_.calm()) timeline_.pass(timeline_.random().magnitude(8 * kSecond));
}

void World::agent_died() {
  life_.reset();
  timeline_.end_life();
  for (auto& log : logs_) log->life_ended();
  if (!std::exchange(power_lost_, false)) return;
  ++boot_;
  for (auto& log : logs_) log->lose_power();
  for (auto& [id, container] : containers_) container.view.running = false;
}

void World::grown(const std::string& directory, const std::string& name) {
  if (life_ == nullptr) return;
  life_->watcher().happened(directory_.path() + directory, Kind::kGrown, name);
}

void World::arrived(const std::string& directory, const std::string& name, uint32_t cookie) {
  if (life_ == nullptr) return;
  life_->watcher().happened(directory_.path() + directory, Kind::kChanged, name, cookie, true);
}

void World::left(const std::string& directory, const std::string& name, uint32_t cookie) {
  if (life_ == nullptr) return;
  life_->watcher().happened(directory_.path() + directory, Kind::kChanged, name, cookie, false);
}

bool World::opened_in_life(uint64_t inode) const {
  return life_ != nullptr && life_->has_opened(inode);
}

std::vector<std::string> World::containers() const {
  std::vector<std::string> ids;
  for (const auto& [id, container] : containers_) ids.push_back(id);
  return ids;
}

const ContainerView* World::inspect(const std::string& id) const {
  const auto found = containers_.find(id);
  return found == containers_.end() ? nullptr : &found->second.view;
}

}  // namespace longshore::simulation
