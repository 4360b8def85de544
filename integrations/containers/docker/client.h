// The Docker Engine API over its Unix socket: version negotiated, events followed, containers
// inspected, everything reconciled after each (re)connection.
//
//   dockerd --/events, /containers/json, inspect--> Client --Listener--> watch loop
//
// Source: Docker Engine API, v1.24 and later. The client relies on no state in events: each event
// only makes it inspect the container again.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "config/result.h"
#include "integrations/containers/docker/container.h"

struct uv_loop_s;

namespace longshore::docker {

/// Called on the loop's thread. The calls for one container come in the order of its life; a
/// container that is already gone when it is inspected yields on_gone() only. Events missed while
/// disconnected are made up for: a container found ended yields on_container(), then on_died().
class Listener {
 public:
  virtual ~Listener() = default;
  /// Inspected: after create, start, rename, and by reconciliation. May come again, changed or not.
  /// `running` is true from its start until its on_died(); if the end is known already, pid is 0.
  virtual void on_container(const Container& container) = 0;
  /// It has died, and may be started again. Called straight from the event. Only a container that
  /// the listener does not know yet is inspected first, so that on_container() precedes.
  /// `died_ns`: when, by the daemon's clock; 0: not known.
  virtual void on_died(const std::string& container_id, int64_t died_ns) = 0;
  /// It was removed, or is no longer in the full list.
  virtual void on_gone(const std::string& container_id) = 0;
  /// Every container of the full list has been inspected once since the last (re)connection.
  virtual void on_reconciled() = 0;
  /// The connection is lost or could not be made; `reason` is one sentence. Called again, at most
  /// every three seconds, when it cannot be made for another reason. The client keeps
  /// trying, with a back-off of at most 100 ms: a container may come and go right after Docker is
  /// back, and trying a socket costs nothing.
  virtual void on_disconnected(const std::string& reason) = 0;
};

/// How long the client waits. Tests use shorter times.
struct Patience {
  uint64_t request_ms = 10'000;  ///< For the answer to one request.
  uint64_t silence_ms = 30'000;  ///< Without an event, before a ping.
  uint64_t open_ms = 2'000;  ///< For the head of the event stream, before continuing without it.
  uint64_t retry_ms = 500;   ///< Before a failed inspect is repeated.
  int64_t back_off_ms_min = 50;
  int64_t back_off_ms_max = 100;
};

/// Thread: the loop's. All I/O is asynchronous: a hung dockerd never blocks the loop.
class Client {
 public:
  /// `socket_path` is a path on the file system. Nothing happens before start().
  Client(uv_loop_s* loop, std::string socket_path, Listener& listener, Patience patience = {});
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void start();
  /// Ends all transfers and closes all handles, so that the loop can end. The listener must not
  /// call it.
  void stop();

  /// DockerRootDir of GET /info, known before the first on_container(); empty if not told.
  const std::string& docker_root() const { return docker_root_; }

 private:
  class State;

  uv_loop_s* const loop_;
  const std::string socket_path_;
  Listener& listener_;
  const Patience patience_;
  std::string docker_root_;
  std::unique_ptr<State> state_;
};

}  // namespace longshore::docker
