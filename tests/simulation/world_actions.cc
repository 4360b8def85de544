// What happens to the world of one seed, and how severely.
#include <algorithm>
#include <filesystem>

#include "tests/simulation/world.h"

namespace longshore::simulation {

Plan World::make_plan() {
  Random& random = timeline_.random();
  Plan plan;
  const auto rarely = [&](double odds, double most) {
    return random.chance(odds) ? most * static_cast<double>(random.below(1000)) / 1000 : 0.0;
  };
  plan.on_disk = random.chance(0.3);
  plan.broker_forgets = random.chance(0.15);
  plan.power_fails = random.chance(0.15);
  plan.clock_goes_back = random.chance(0.25);
  plan.tiny = random.chance(0.3);
  plan.seams_per_life = random.chance(0.8) ? int64_t{1} << random.between(4, 12) : 0;
  // Lives are long enough then for a partition's silence to be noticed.
  plan.brokers_die = random.chance(0.2);
  if (plan.brokers_die) {
    plan.seams_per_life = random.chance(0.5) ? 0 : int64_t{1} << random.between(9, 14);
  }
  plan.fault_ns = random.between(10, 120) * kSecond;
  plan.actions = static_cast<int>(random.between(20, 160));
  plan.agent.lane = {
      .host_id = kHostId,
      .default_topic = kTopic,
      .ledger_topic = random.chance(0.9) ? kLedgerTopic : "",
      .create_topics = random.chance(0.3),
      .linger_ns = kMs * random.magnitude(3'000),
      .batch_bytes = static_cast<size_t>(random.magnitude(plan.tiny ? 500 : 1 << 20))};
  plan.agent.lane.retention_ns = int64_t{10'000} * 24 * 3600 * kSecond;
  plan.agent.rotate_wait_ns = kSecond;
  plan.agent.deleted_bytes_max = UINT64_MAX;
  // Linux loses events only with an overflow. That the sweep finds what no event told, but for
  // files that came and went, is tested where not all that is missing needs a name.
  plan.agent.watcher = {.lost = habits_.strict ? 0.0 : rarely(0.3, 0.5),
                        .twice = rarely(0.2, 0.3),
                        .late = rarely(0.4, 0.5),
                        .late_ns_max = 3 * kSecond};
  plan.agent.store = {.full = rarely(0.2, 0.1), .fatal = plan.on_disk ? rarely(0.2, 0.03) : 0.0};
  plan.agent.docker_late_ns_max = random.magnitude(2 * kSecond);
  // Of some worlds scans are done in many turns.
  const auto choice = static_cast<size_t>(plan.agent.docker_late_ns_max);
  if (choice % 3 == 0) plan.agent.turn_steps = 1 + choice % 20;
  plan.broker = {.gone = rarely(0.4, 0.05),
                 .retryable = rarely(0.4, 0.2),
                 .done_anyway = rarely(0.4, 0.5),
                 .late_commit = rarely(0.4, 0.5),
                 .refused = rarely(0.3, 0.02),
                 .latency_ns_max = random.magnitude(2 * kSecond),
                 .queue_records_max = plan.tiny ? 1 + random.below(20) : 100'000};
  return plan;
}

LogOptions World::log_options(const std::string& directory, const std::string& name, bool is_json) {
  Random& random = timeline_.random();
  Rotation rotation =
      is_json ? Rotation::kShifted : habits_.rotations[random.below(habits_.rotations.size())];
  // Which file was rotated before which, and which is history, the clock alone tells.
  const bool by_clock = rotation >= Rotation::kShifted && rotation <= Rotation::kCompressed;
  if (by_clock && plan_.clock_goes_back) rotation = Rotation::kNone;
  return {.root = directory_.path(),
          .directory = directory,
          .file_name = name,
          .rotation = rotation,
          .inside = habits_.strict && !is_json && random.chance(0.4),
          .kept = random.chance(0.7) ? 100 : 1 + random.below(3),
          .reopen_ns_max = is_json || random.chance(0.4) ? 0 : 800 * kMs,
          .is_json = is_json,
          .line_bytes_max = static_cast<size_t>(random.magnitude(2000)) + 20,
          .oversized = !is_json && random.chance(0.02) ? 0.02 : 0.0};
}

void World::make_host_logs() {
  const int logs = static_cast<int>(timeline_.random().between(1, 3));
  make_directory("/var");
  make_directory("/var/log");
  for (int i = 0; i < logs; ++i) {
    const std::string name = "h" + std::to_string(i) + ".log";
    Log& log = add_log(log_options("/var/log", name, false));
    const bool is_numbered = log.options().rotation == Rotation::kShifted;
    if (is_numbered && !plan_.clock_goes_back && timeline_.random().chance(0.3)) log.make_history();
    host_logs_.push_back(&log);
    Declaration declaration;
    declaration.name = "host" + std::to_string(i);
    declaration.path = "/var/log/" + name;
    const bool is_alone =
        log.options().rotation != Rotation::kNone || plan_.clock_goes_back || !habits_.strict;
    if (!is_alone && timeline_.random().chance(0.5)) {
      declaration.path += "*";
      write_side_by_side(name);
    } else if (timeline_.random().chance(0.5)) {
      log.write();
    }
    host_sources_.push_back(declaration);
  }
}

// Two logs whose names look like rotations of one, which one glob names: each is written while the
// other one is.
void World::write_side_by_side(const std::string& name) {
  constexpr const char* kMore[] = {".8081", ".2", "-20261101"};
  LogOptions options = log_options("/var/log", name + kMore[timeline_.random().below(3)], false);
  options.rotation = Rotation::kNone;
  Log* const other = &add_log(options);
  std::vector<Log*> both = {host_logs_.back(), other};
  for (Log* log : both) log->set_beside();
  if (timeline_.random().chance(0.5)) std::swap(both[0], both[1]);
  host_logs_.push_back(other);
  for (int turn = 0; turn < 3; ++turn) {
    for (Log* log : both) {
      log->write();
      timeline_.pass(3 * kSecond);
    }
  }
}

void World::plan_actions() {
  const int64_t end = timeline_.now() + plan_.fault_ns;
  for (int i = 0; i < plan_.actions; ++i) {
    const int64_t when = timeline_.now() + timeline_.random().between(0, plan_.fault_ns);
    timeline_.at(when, [this] {
      if (!timeline_.calm()) act();
    });
  }
  for (int64_t i = plan_.brokers_die ? timeline_.random().between(2, 8) : 0; i > 0; --i) {
    timeline_.at(timeline_.now() + timeline_.random().between(0, plan_.fault_ns), [this] {
      if (timeline_.calm()) return;
      lose_leaders();
      for (int line = 0; line < 5; ++line) pick_log()->write();
    });
  }
  timeline_.at(end, [this] { calm_down(); });
}

Log* World::pick_log() {
  std::vector<Log*> writable = host_logs_;
  for (auto& [id, container] : containers_) {
    if (!container.view.running) continue;
    writable.insert(writable.end(), container.logs.begin(), container.logs.end());
  }
  return writable[timeline_.random().below(writable.size())];
}

void World::act() {
  const uint64_t dice = timeline_.random().below(100);
  if (dice < 50) {
    pick_log()->write();
  } else if (dice < 64) {
    pick_log()->rotate();
  } else if (dice < 66) {
    pick_log()->remove();
  } else if (dice < 80) {
    act_on_container();
  } else if (dice < 90) {
    act_on_broker();
  } else {
    act_on_agent();
  }
}

void World::act_on_container() {
  Random& random = timeline_.random();
  if (containers_.empty() || (containers_.size() < 4 && random.chance(0.4))) {
    make_container("");
    return;
  }
  auto at = containers_.begin();
  std::advance(at, random.below(containers_.size()));
  Container& container = at->second;
  if (container.view.running) {
    die(container);
    if (random.chance(0.4)) remove(container);
  } else if (random.chance(0.6)) {
    start(container);
  } else {
    remove(container);
  }
}

void World::make_container(const std::string& volume) {
  Random& random = timeline_.random();
  const std::string id = "c" + std::to_string(++containers_made_);
  Container& container = containers_[id];
  container.view.id = id;
  const std::string upper = "/docker/" + id + "/upper";
  for (const char* path : {"/docker", "", "/upper", "/upper/app", "/lower"}) {
    const std::string tail = path;
    make_directory(tail == "/docker" ? tail : "/docker/" + id + tail);
  }
  container.view.fs.container_id = id;
  container.view.fs.layers = {upper, "/docker/" + id + "/lower"};
  container.view.host_fs.layers = {"/"};
  container.view.host_fs.layers_are_overlay = false;
  Declaration declaration;
  declaration.name = "app";
  declaration.path = random.chance(0.5) ? "/app/*.log" : "/app/a.log";
  const bool globbed = declaration.path != "/app/a.log";
  std::string directory = upper + "/app";
  container.volume = volume;
  if (volume.empty() && random.chance(0.3)) {
    // One declarer at a time: the next container takes the volume when this one is gone.
    container.volume = "v" + std::to_string(random.below(2));
    for (const auto& [other_id, other] : containers_) {
      if (other_id != id && other.volume == container.volume) container.volume.clear();
    }
  }
  if (!container.volume.empty()) {
    directory = "/volumes/" + container.volume;
    make_directory("/volumes");
    make_directory(directory);
    container.view.fs.mounts.push_back({"/app", directory});
    declaration.path = "/app/*.log";
  }
  auto& shared = volumes_[container.volume];
  if (container.volume.empty() || shared.empty()) {
    container.logs.push_back(&add_log(log_options(directory, "a.log", false)));
    if (globbed) container.logs.push_back(&add_log(log_options(directory, "b.log", false)));
    if (!container.volume.empty()) shared = container.logs;
  } else {
    container.logs = shared;
  }
  container.view.declarations.push_back(declaration);
  if (random.chance(0.5)) {
    const std::string json = "/docker/" + id + "/" + id + "-json.log";
    container.logs.push_back(&add_log(log_options("/docker/" + id, id + "-json.log", true)));
    Declaration console;
    console.name = "console";
    console.stream = Stream::kStdout;
    console.path = json;
    container.view.declarations.push_back(console);
  }
  timeline_.trace("container {} is made, {}", id, directory);
  start(container);
}

void World::start(Container& container) {
  container.view.running = true;
  timeline_.trace("container {} starts", container.view.id);
  if (life_ != nullptr) life_->docker_event(DockerEvent::kStarted, container.view.id);
  for (Log* log : container.logs) {
    if (timeline_.random().chance(0.8)) log->write();
  }
}

void World::die(Container& container) {
  for (Log* log : container.logs) log->close();
  container.view.running = false;
  timeline_.trace("container {} dies", container.view.id);
  if (life_ != nullptr) life_->docker_event(DockerEvent::kDied, container.view.id);
}

void World::remove(Container& container) {
  const std::string id = container.view.id;
  timeline_.trace("container {} is removed", id);
  for (Log* log : container.logs) {
    if (container.volume.empty() || log->options().is_json) log->remove_all();
  }
  for (const char* below : {"/upper/app", "/upper", ""}) {
    if (life_ == nullptr) continue;
    life_->watcher().happened(directory_.path() + "/docker/" + id + below,
                              agent::DirectoryEvent::Kind::kUnwatched, "");
  }
  std::filesystem::remove_all(directory_.path() + "/docker/" + id);
  if (life_ != nullptr) life_->docker_event(DockerEvent::kGone, id);
  containers_.erase(id);
}

void World::act_on_broker() {
  Random& random = timeline_.random();
  const int64_t later = timeline_.now() + random.magnitude(20 * kSecond);
  const uint64_t dice = random.below(plan_.broker_forgets ? 15 : 11);
  timeline_.trace("kafka: mishap {}", dice);
  if (dice < 3) {
    lose_leaders();
  } else if (dice < 5) {
    broker_.set_away(true);
    timeline_.at(later, [this] { broker_.set_away(false); });
  } else if (dice == 5) {
    broker_.set_unstable(true);
    timeline_.at(later, [this] { broker_.set_unstable(false); });
  } else if (dice == 6) {
    broker_.forbid(random.chance(0.8) ? kTopic : kLedgerTopic, true);
    timeline_.at(later, [this] {
      broker_.forbid(kTopic, false);
      broker_.forbid(kLedgerTopic, false);
    });
  } else if (dice == 7) {
    const std::string name = random.chance(0.8) ? kTopic : kLedgerTopic;
    const auto partitions = static_cast<int32_t>(1 + random.below(6));
    broker_.remove_topic(name);
    timeline_.at(later, [this, name, partitions] { broker_.add_topic(name, partitions); });
  } else if (dice == 8) {
    broker_.set_message_bytes_max(600);
    timeline_.at(later, [this] { broker_.set_message_bytes_max(1'100'000); });
  } else if (dice < 11) {
    broker_.fence();
  } else if (dice < 13) {
    broker_.offset_expires();
  } else {
    broker_.lose(dice == 13 ? 1 : 1 + random.below(4));
  }
}

// A broker dies: some partitions have no leader until it is back.
void World::lose_leaders() {
  Random& random = timeline_.random();
  const int64_t back = timeline_.now() + random.magnitude(90 * kSecond);
  const int64_t told_ns = random.chance(0.2) ? INT64_MAX : random.magnitude(10 * kSecond);
  for (const char* const topic : {kTopic, kLedgerTopic}) {
    for (int32_t partition = 0; partition < broker_.partitions(topic); ++partition) {
      if (!random.chance(0.4)) continue;
      const shipper::TopicPartition which{topic, partition};
      broker_.lose_leader(which, told_ns);
      timeline_.at(back, [this, which] { broker_.find_leader(which); });
    }
  }
}

void World::act_on_agent() {
  if (life_ == nullptr) return;
  Random& random = timeline_.random();
  const uint64_t dice = random.below(10);
  if (dice < 2) {
    timeline_.kill();
  } else if (dice == 2) {
    timeline_.trace("SIGTERM");
    life_->stop();
  } else if (dice < 5) {
    timeline_.trace("inotify overflows");
    life_->watcher().overflow();
  } else if (dice < 7) {
    life_->stall(random.magnitude(20 * kSecond));
  } else if (dice < 9) {
    const bool rotates =
        std::ranges::any_of(logs_, [](const auto& log) { return log->is_rotating(); });
    if (habits_.strict && rotates) return;  // Late writes are told from others' by the clock.
    const int64_t jump = random.magnitude(40 * 24 * 3600 * kSecond);
    const int64_t by = plan_.clock_goes_back && random.chance(0.5) ? -jump : jump;
    timeline_.jump_wall(by);
    timeline_.trace("the clock jumps by {}", by);
  } else if (plan_.power_fails) {
    power_lost_ = true;
    timeline_.trace("the host loses its power");
    timeline_.kill();
  }
}

// Peace: whatever can be delivered has to be.
void World::calm_down() {
  timeline_.trace("peace");
  timeline_.calm_down();
  broker_.calm_down();
  broker_.add_topic(kTopic, 6);
  broker_.add_topic(kLedgerTopic, 1);
  // What lies in a volume that nobody declares waits for somebody who does.
  for (const auto& [name, logs] : volumes_) {
    const auto has_it = [&volume = name](const auto& each) { return each.second.volume == volume; };
    if (!name.empty() && std::none_of(containers_.begin(), containers_.end(), has_it)) {
      make_container(name);
    }
  }
  for (Log* log : host_logs_) log->end_line();
  for (auto& [id, container] : containers_) {
    if (!container.view.running) continue;
    for (Log* log : container.logs) log->end_line();
  }
  if (life_ == nullptr) return;
  timeline_.at_in_life(timeline_.now() + 400 * kSecond, [this] { life_->stop(); });
}

}  // namespace longshore::simulation
