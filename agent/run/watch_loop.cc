#include "agent/run/watch_loop.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "config/glob.h"
#include "config/limits.h"

namespace longshore::agent {
namespace {

constexpr uint64_t kTickMs = 500;

WatchLoop* self(const void* handle) {
  return static_cast<WatchLoop*>(uv_handle_get_data(static_cast<const uv_handle_t*>(handle)));
}

// The log file of the json-file driver. Before the first start Docker's inspect does not name it,
// but its place is fixed; moby daemon/container.go, GetRootResourcePath.
std::string json_log_path(const docker::Container& container, const std::string& docker_root) {
  if (!container.log_path.empty() || docker_root.empty()) return container.log_path;
  return docker_root + "/containers/" + container.id + "/" + container.id + "-json.log";
}

// Before a message about one log of a container.
std::string title_of(const docker::Container& container, const std::string& log) {
  return "container " + container.name + ", log " + log + ": ";
}

}  // namespace

WatchLoop::WatchLoop(WatchOptions options, Discovery& discovery, HostMounts& mounts,
                     Inotify& inotify, Mailbox<ToWatch>& from_lanes, PostToLane post,
                     uint32_t lanes, std::function<void()> tick)
    : options_(std::move(options)),
      discovery_(discovery),
      mounts_(mounts),
      inotify_(inotify),
      from_lanes_(from_lanes),
      post_(std::move(post)),
      lanes_(lanes),
      tick_(std::move(tick)) {
  uv_loop_init(&loop_);
}

WatchLoop::~WatchLoop() { uv_loop_close(&loop_); }

WatchResult WatchLoop::run() {
  start_handles();
  declare_host_sources();
  if (options_.docker_socket.empty()) {
    on_reconciled();
  } else {
    docker_ = std::make_unique<docker::Client>(&loop_, options_.docker_socket,
                                               static_cast<docker::Listener&>(*this));
    docker_->start();
  }
  settle();
  uv_run(&loop_, UV_RUN_DEFAULT);
  if (docker_ != nullptr) docker_->stop();
  close_handles();
  uv_run(&loop_, UV_RUN_DEFAULT);
  docker_.reset();
  result_.refusals = discovery_.refusals();
  result_.missed = discovery_.missed();
  return result_;
}

void WatchLoop::start_handles() {
  const auto own = [this](auto& handle) {
    uv_handle_set_data(reinterpret_cast<uv_handle_t*>(&handle), this);
  };
  uv_poll_init(&loop_, &changes_poll_, inotify_.changes_fd());
  uv_poll_init(&loop_, &writes_poll_, inotify_.writes_fd());
  uv_poll_init(&loop_, &mailbox_poll_, from_lanes_.wake_fd());
  uv_timer_init(&loop_, &sweep_timer_);
  uv_timer_init(&loop_, &settle_timer_);
  uv_timer_init(&loop_, &tick_timer_);
  uv_timer_init(&loop_, &gather_timer_);
  uv_signal_init(&loop_, &sigterm_);
  uv_signal_init(&loop_, &sigint_);
  mountinfo_ = Fd(::open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC));
  uv_poll_init(&loop_, &mounts_poll_, mountinfo_.get());
  own(changes_poll_), own(writes_poll_), own(mailbox_poll_), own(mounts_poll_);
  own(sweep_timer_), own(settle_timer_), own(tick_timer_), own(gather_timer_);
  own(sigterm_), own(sigint_);

  uv_poll_start(&changes_poll_, UV_READABLE, [](uv_poll_t* poll, int, int) {
    WatchLoop* loop = self(poll);
    loop->inotify_.read_changes(
        [loop](const DirectoryEvent& event) { loop->discovery_.on_event(event); });
    loop->settle();
  });
  await_writes();
  uv_poll_start(&mailbox_poll_, UV_READABLE,
                [](uv_poll_t* poll, int, int) { self(poll)->on_lane_messages(); });
  // The kernel signals a changed mount table as an exceptional condition; proc(5).
  uv_poll_start(&mounts_poll_, UV_PRIORITIZED,
                [](uv_poll_t* poll, int, int) { self(poll)->mounts_changed_ = true; });
  const auto sweep_ms = static_cast<uint64_t>(options_.sweep_ms);
  uv_timer_start(
      &sweep_timer_,
      [](uv_timer_t* timer) {
        self(timer)->refresh_mounts();
        self(timer)->discovery_.sweep();
        self(timer)->settle();
      },
      sweep_ms, sweep_ms);
  if (tick_) {
    uv_timer_start(
        &tick_timer_, [](uv_timer_t* timer) { self(timer)->tick_(); }, kTickMs, kTickMs);
  }
  const auto on_signal = [](uv_signal_t* signal, int) {
    self(signal)->result_.signalled = true;
    uv_stop(&self(signal)->loop_);
  };
  uv_signal_start(&sigterm_, on_signal, SIGTERM);
  uv_signal_start(&sigint_, on_signal, SIGINT);
}

// The first write after a pause is handled at once; those that follow it are gathered.
void WatchLoop::await_writes() {
  uv_poll_start(&writes_poll_, UV_READABLE, [](uv_poll_t* poll, int, int) {
    WatchLoop* loop = self(poll);
    loop->inotify_.read_writes(
        [loop](const DirectoryEvent& event) { loop->discovery_.on_event(event); });
    loop->settle();
    if (loop->options_.gather_ms == 0) return;
    uv_poll_stop(poll);
    uv_timer_start(
        &loop->gather_timer_, [](uv_timer_t* timer) { self(timer)->await_writes(); },
        static_cast<uint64_t>(loop->options_.gather_ms), 0);
  });
}

void WatchLoop::close_handles() {
  for (uv_handle_t* handle :
       {reinterpret_cast<uv_handle_t*>(&changes_poll_),
        reinterpret_cast<uv_handle_t*>(&writes_poll_),
        reinterpret_cast<uv_handle_t*>(&gather_timer_),
        reinterpret_cast<uv_handle_t*>(&mailbox_poll_),
        reinterpret_cast<uv_handle_t*>(&mounts_poll_),
        reinterpret_cast<uv_handle_t*>(&sweep_timer_),
        reinterpret_cast<uv_handle_t*>(&settle_timer_),
        reinterpret_cast<uv_handle_t*>(&tick_timer_), reinterpret_cast<uv_handle_t*>(&sigterm_),
        reinterpret_cast<uv_handle_t*>(&sigint_)}) {
    uv_close(handle, nullptr);
  }
}

// A mount that the table does not list is refused, so the table is read before any scan.
void WatchLoop::refresh_mounts() {
  if (std::exchange(mounts_changed_, false)) mounts_.refresh();
}

void WatchLoop::settle() {
  refresh_mounts();
  const int64_t next = discovery_.settle();
  tell_start();
  if (next == 0) return;
  const int64_t now = SystemClock().monotonic_ns();
  const uint64_t wait_ms = next <= now ? 1 : static_cast<uint64_t>((next - now) / 1'000'000 + 1);
  uv_timer_start(
      &settle_timer_, [](uv_timer_t* timer) { self(timer)->settle(); }, wait_ms, 0);
}

void WatchLoop::on_lane_messages() {
  for (ToWatch& message : from_lanes_.take()) {
    if (const auto* wish = std::get_if<LookForCopy>(&message)) {
      discovery_.look_for_copy(wish->source);
      continue;
    }
    if (const auto* judged = std::get_if<CopyJudged>(&message)) {
      discovery_.copy_judged(*judged);
      settle();
      continue;
    }
    auto& stopped = std::get<LaneStopped>(message);
    const bool cannot_go_on = stopped.exit_status != 0;
    result_.stopped.push_back(std::move(stopped));
    if (cannot_go_on || result_.stopped.size() == lanes_) uv_stop(&loop_);
  }
}

void WatchLoop::declare_host_sources() {
  for (const Declaration& declaration : options_.host_sources) {
    FsSpec fs;
    fs.layers = {"/"};
    fs.layers_are_overlay = false;
    discovery_.declare({}, declaration, std::move(fs));
  }
}

FsSpec WatchLoop::fs_of(const docker::Container& container, const Declaration& declaration) {
  FsSpec fs;
  if (declaration.stream != Stream::kFile) {
    // The log driver's file is the host's; the container has no say in its path.
    fs.layers = {"/"};
    fs.layers_are_overlay = false;
    return fs;
  }
  fs.container_id = container.id;
  fs.pid = container.pid;
  if (!container.upper_dir.empty()) {
    fs.layers.push_back(container.upper_dir);
    fs.layers.insert(fs.layers.end(), container.lower_dirs.begin(), container.lower_dirs.end());
  }
  for (const docker::Mount& mount : container.mounts) {
    if (mount.kind == docker::Mount::Kind::kOther) continue;
    fs.mounts.push_back({mount.destination, mount.source});
  }
  return fs;
}

bool WatchLoop::declare(const docker::Container& container, Declaration declaration) {
  const std::string title = title_of(container, declaration.name);
  if (!declaration.topic.empty() && declaration.topic == options_.ledger_topic) {
    warn_once(container.id + declaration.name + "ledger",
              title + "topic " + declaration.topic +
                  " is reserved for the ledger; the log is not collected. Declare another topic.");
    return false;
  }
  if (!declaration.topic.empty() && declaration.topic != options_.default_topic &&
      std::none_of(options_.allowed_topics.begin(), options_.allowed_topics.end(),
                   [&](const auto& glob) { return glob_match(glob, declaration.topic); })) {
    warn_once(container.id + declaration.name + "topic",
              title + "topic " + declaration.topic +
                  " is not allowed; the log is not collected. To allow it, start the agent with "
                  "--allow-topic=" +
                  declaration.topic + ".");
    return false;
  }
  if (declaration.stream != Stream::kFile) {
    if (container.log_driver != "json-file") {
      warn_once(container.id + declaration.name + "driver",
                title + "the container's log driver is " + container.log_driver +
                    ", which cannot be read; the log is not collected. Use json-file.");
      return false;
    }
    declaration.path = json_log_path(container, docker_->docker_root());
    if (declaration.path.empty()) return false;  // Docker names it at the first start.
  }
  discovery_.declare({container.id, container.name, container.image}, declaration,
                     fs_of(container, declaration));
  return true;
}

void WatchLoop::on_container(const docker::Container& container) {
  Declarations declarations = merge(parse_environment(container.environment, options_.prefixes),
                                    parse_labels(container.labels));
  for (const WrongDeclaration& wrong : declarations.wrong) {
    warn_once(container.id + wrong.name + wrong.message,
              title_of(container, wrong.name) + wrong.message);
  }
  if (declarations.usable.empty()) return;
  refresh_mounts();
  if (container.running) discovery_.revived(container.id);
  for (Declaration& declaration : declarations.usable) declare(container, std::move(declaration));
  // The first full list shows it stopped: its last lines are complete.
  if (!container.running && !reconciled_) discovery_.ended(container.id, started_ns_);
  settle();
}

void WatchLoop::on_died(const std::string& container_id, int64_t died_ns) {
  refresh_mounts();
  discovery_.ended(container_id, died_ns);
  settle();
}

void WatchLoop::on_gone(const std::string& container_id) {
  discovery_.gone(container_id);
  settle();
}

void WatchLoop::on_reconciled() {
  if (const int64_t since_ns = std::exchange(docker_away_since_ns_, 0); since_ns != 0) {
    spdlog::info("Docker at {} is back after {:.1f} s; all its containers were looked at again",
                 options_.docker_socket,
                 static_cast<double>(SystemClock().monotonic_ns() - since_ns) / 1e9);
  }
  if (std::exchange(reconciled_, true)) return;
  if (docker_ != nullptr) spdlog::info("following Docker at {}", options_.docker_socket);
  settle();
}

// Once all containers are known. Scans take more than one turn where there is much to see.
void WatchLoop::tell_start() {
  if (!reconciled_) return;
  if (!vanished_looked_for_ && discovery_.all_scanned()) {
    vanished_looked_for_ = true;
    discovery_.look_for_vanished();
  }
  if (start_told_ || !discovery_.all_opened()) return;
  start_told_ = true;
  for (uint32_t lane = 0; lane < lanes_; ++lane) post_(LaneId{lane}, StartScanned{});
}

void WatchLoop::on_disconnected(const std::string& reason) {
  if (docker_away_since_ns_ == 0) docker_away_since_ns_ = SystemClock().monotonic_ns();
  spdlog::warn(
      "{} Until Docker answers, new containers are not noticed; logs of known ones are collected. "
      "Trying again.",
      reason);
}

void WatchLoop::warn_once(const std::string& key, const std::string& sentence) {
  if (warned_.size() > limits::kWarnedOnceMax) warned_.clear();
  if (warned_.insert(key).second) spdlog::warn("{}", sentence);
}

}  // namespace longshore::agent
