// The host, its containers and Kafka around the agent: what happens to them, driven by one seed.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/files/host_mounts.h"
#include "checkpoint/store.h"
#include "tests/fakes/memory_store.h"
#include "tests/fakes/temporary_dir.h"
#include "tests/simulation/agent_life.h"
#include "tests/simulation/broker.h"
#include "tests/simulation/log.h"

namespace longshore::simulation {

inline constexpr char kTopic[] = "logs";
inline constexpr char kLedgerTopic[] = "longshore-ledger";

/// What logs do in a world.
struct Habits {
  std::vector<Rotation> rotations = {Rotation::kNone, Rotation::kShifted, Rotation::kShifted,
                                     Rotation::kDated, Rotation::kCopyTruncate};
  /// Numbers and dates may stand before the extension, and whatever is missing needs a name in the
  /// ledger, also where a whole generation came and went unseen.
  bool strict = false;
};

/// What a seed makes of a run, beside the moments.
struct Plan {
  AgentOptions agent;
  BrokerFaults broker;
  bool on_disk = false;      ///< The real checkpoint store, else the one in memory.
  bool brokers_die = false;  ///< Partitions lose their leaders again and again.
  bool broker_forgets = false, power_fails = false, clock_goes_back = false, tiny = false;
  int64_t seams_per_life = 0;  ///< At most, until a kill; 0: no kills by count.
  int64_t fault_ns = 0;
  int actions = 0;
};

/// Thread: the run's.
class World final : private DirectoryObserver, private DockerView {
 public:
  World(uint64_t seed, Habits habits, bool verbose);
  ~World() override;

  /// Lives of the agent until the plan is over, then peace until nothing is left to do. Throws
  /// Violation.
  void run();

  Timeline& timeline() { return timeline_; }
  const Broker& broker() const { return broker_; }
  const std::vector<std::unique_ptr<Log>>& logs() const { return logs_; }
  checkpoint::Store& store() { return *store_; }
  const Plan& plan() const { return plan_; }
  const Habits& habits() const { return habits_; }
  int lives() const { return lives_; }

 private:
  struct Container {
    ContainerView view;
    std::vector<Log*> logs;
    std::string volume;  // Outlives it; empty: none.
  };

  // world.cc
  void live();
  void open_store();
  void agent_died();
  void grown(const std::string& directory, const std::string& name) override;
  void arrived(const std::string& directory, const std::string& name, uint32_t cookie) override;
  void left(const std::string& directory, const std::string& name, uint32_t cookie) override;
  bool opened_in_life(uint64_t inode) const override;
  std::vector<std::string> containers() const override;
  const ContainerView* inspect(const std::string& id) const override;
  void make_directory(const std::string& path);
  Log& add_log(LogOptions options);

  // world_actions.cc
  Plan make_plan();
  void make_host_logs();
  void write_side_by_side(const std::string& name);
  void plan_actions();
  void act();
  void act_on_container();
  void act_on_broker();
  void lose_leaders();
  void act_on_agent();
  /// `volume`: empty, or the one that it is to have.
  void make_container(const std::string& volume);
  void start(Container& container);
  void die(Container& container);
  void remove(Container& container);
  Log* pick_log();
  LogOptions log_options(const std::string& directory, const std::string& name, bool is_json);
  void calm_down();

  Timeline timeline_;
  const Habits habits_;
  const Plan plan_;
  fakes::TemporaryDir directory_;
  VirtualFiles files_;
  agent::HostMounts mounts_;
  Broker broker_;
  fakes::MemoryStore memory_;
  std::unique_ptr<checkpoint::Store> disk_;
  checkpoint::Store* store_ = nullptr;
  std::unique_ptr<AgentLife> life_;
  std::vector<std::unique_ptr<Log>> logs_;
  std::map<std::string, Container> containers_;
  std::map<std::string, std::vector<Log*>> volumes_;
  std::vector<Log*> host_logs_;
  std::vector<Declaration> host_sources_;
  uint64_t boot_ = 1;
  int containers_made_ = 0;
  int lives_ = 0;
  bool power_lost_ = false;
};

}  // namespace longshore::simulation
