// The Docker Engine API over its Unix socket: version negotiated, events followed, containers
// inspected, everything reconciled after each (re)connection.
//
//   dockerd --/events, /containers/json, inspect--> Client --Listener--> watch loop
//
// Source: Docker Engine API, v1.24 and later. Events carry no state that is relied upon; every one
// only makes the client inspect the container again.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "config/result.h"
#include "integrations/containers/docker/container.h"

struct uv_loop_s;

namespace longshore::docker {

/// Called on the loop's thread. For one container the calls come in the order of its life; a
/// container that is already gone when it is inspected yields on_gone() only. What was missed while
/// disconnected is made up for: a container found ended yields on_container(), then on_died().
class Listener {
 public:
  virtual ~Listener() = default;
  /// Inspected: after create, start, rename, and by reconciliation. May come again, changed or not.
  /// `running` from its start on until its on_died(), which may already be known: pid is 0 then.
  virtual void on_container(const Container& container) = 0;
  /// It has died (it may be started again): called straight from the event, nothing awaited. Only
  /// where the listener does not know that it lived is it inspected first: on_container() precedes.
  virtual void on_died(const std::string& container_id) = 0;
  /// It was removed, or is not in the full list any more.
  virtual void on_gone(const std::string& container_id) = 0;
  /// The full list has been worked off once since the last (re)connection.
  virtual void on_reconciled() = 0;
  /// The connection is lost or could not be made; `reason` is one sentence. The client goes on
  /// trying, with a back-off of at most 100 ms: a container may live and be gone right after Docker
  /// is back, and asking a socket costs nothing.
  virtual void on_disconnected(const std::string& reason) = 0;
};

/// How long the client waits. Tests wait less.
struct Patience {
  uint64_t request_ms = 10'000;  ///< For the answer to one request.
  uint64_t silence_ms = 30'000;  ///< Without an event, before Docker is asked whether it is there.
  uint64_t open_ms = 2'000;      ///< For the head of the event stream, before going on without.
  uint64_t retry_ms = 500;       ///< Before an inspect that failed is tried again.
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
  /// Ends all transfers and closes its handles; the loop can end after this. Not to be called by
  /// the listener.
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
