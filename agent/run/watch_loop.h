// The watch loop: the thread that never reads a log. It owns Docker's events, inotify, timers and
// signals, finds and opens files, and tells the lanes.
//
//   dockerd, inotify, timers, signals --> WatchLoop --> Discovery --ToLane--> lanes
//                                             ^------------ToWatch-------------'
#pragma once

#include <uv.h>

#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "agent/discovery/discovery.h"
#include "agent/files/inotify.h"
#include "agent/link/mailbox.h"
#include "agent/link/messages.h"
#include "integrations/containers/docker/client.h"

namespace longshore::agent {

struct WatchOptions {
  std::string docker_socket;  ///< Empty: no Docker.
  std::string host_root = "/";
  std::vector<std::string> prefixes;        ///< Of the variables that declare logs.
  std::vector<std::string> allowed_topics;  ///< Globs; the agent's own topic is always allowed.
  std::string default_topic;
  std::string ledger_topic;  ///< No log may be declared to go there.
  std::vector<Declaration> host_sources;
  int64_t sweep_ms = 5000;
  int64_t gather_ms = 0;  ///< How long writes are gathered before lanes are told.
};

/// Why run() returned.
struct WatchResult {
  bool signalled = false;
  std::vector<LaneStopped> stopped;  ///< Lanes that stopped by themselves.
  size_t refusals = 0;               ///< Of Discovery.
  std::vector<std::string> missed;   ///< The same.
};

/// Thread: the one that calls run(). `tick` is called about every half second, for a progress line.
class WatchLoop final : private docker::Listener {
 public:
  WatchLoop(WatchOptions options, Discovery& discovery, HostMounts& mounts, Inotify& inotify,
            Mailbox<ToWatch>& from_lanes, PostToLane post, uint32_t lanes,
            std::function<void()> tick);
  ~WatchLoop() override;

  /// Runs until SIGTERM or SIGINT, until every lane has stopped, or until one cannot go on.
  WatchResult run();

 private:
  void on_container(const docker::Container& container) override;
  void on_died(const std::string& container_id, int64_t died_ns) override;
  void on_gone(const std::string& container_id) override;
  void on_reconciled() override;
  void on_disconnected(const std::string& reason) override;

  FsSpec fs_of(const docker::Container& container, const Declaration& declaration);
  bool declare(const docker::Container& container, Declaration declaration);
  void declare_host_sources();
  void start_handles();
  void await_writes();
  void close_handles();
  void refresh_mounts();
  void settle();
  void tell_start();
  void on_lane_messages();
  void warn_once(const std::string& key, const std::string& sentence);

  const WatchOptions options_;
  Discovery& discovery_;
  HostMounts& mounts_;
  Inotify& inotify_;
  Mailbox<ToWatch>& from_lanes_;
  const PostToLane post_;
  const uint32_t lanes_;
  const std::function<void()> tick_;

  uv_loop_t loop_{};
  uv_poll_t changes_poll_{}, writes_poll_{}, mailbox_poll_{}, mounts_poll_{};
  uv_timer_t sweep_timer_{}, settle_timer_{}, tick_timer_{}, gather_timer_{};
  uv_signal_t sigterm_{}, sigint_{};
  Fd mountinfo_;
  bool mounts_changed_ = true;
  std::unique_ptr<docker::Client> docker_;
  bool reconciled_ = false, vanished_looked_for_ = false, start_told_ = false;
  // What was written before it is of no run that begins later.
  const int64_t started_ns_ = SystemClock().wall_ns();
  int64_t docker_away_since_ns_ = 0;  // 0: it answers.
  std::unordered_set<std::string> warned_;
  WatchResult result_;
};

}  // namespace longshore::agent
