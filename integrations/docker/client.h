// The Docker Engine API over its Unix socket: version negotiated, events followed, containers
// inspected, everything reconciled after each (re)connection.
//
//   dockerd --/events, /containers/json, inspect--> Client --Listener--> watch loop
//
// Source: Docker Engine API, v1.24 and later. Events carry no state that is relied upon; every one
// only makes the client inspect the container again.
#pragma once

#include <memory>
#include <string>

#include "config/result.h"
#include "integrations/docker/container.h"

struct uv_loop_s;

namespace longshore::docker {

/// Called on the loop's thread. For one container the calls come in the order of its life; a
/// container that is already gone when it is inspected yields on_gone() only.
class Listener {
 public:
  virtual ~Listener() = default;
  /// Inspected: after create, start, rename, and by reconciliation. May come again, changed or not.
  virtual void on_container(const Container& container) = 0;
  /// It has died (it may be started again): called straight from the event, nothing awaited. For a
  /// container whose inspect is under way it follows that inspect's on_container().
  virtual void on_died(const std::string& container_id) = 0;
  /// It was removed, or is not in the full list any more.
  virtual void on_gone(const std::string& container_id) = 0;
  /// The full list has been worked off once since the last (re)connection.
  virtual void on_reconciled() = 0;
  /// The connection is lost or could not be made; `reason` is one sentence. The client goes on
  /// trying, with a back-off of at most 2 s.
  virtual void on_disconnected(const std::string& reason) = 0;
};

/// Thread: the loop's. All I/O is asynchronous: a hung dockerd never blocks the loop.
class Client {
 public:
  /// `socket_path` is a path on the file system. Nothing happens before start().
  Client(uv_loop_s* loop, std::string socket_path, Listener& listener);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void start();
  /// Ends all transfers and closes its handles; the loop can end after this.
  void stop();

  /// DockerRootDir of GET /info, known before the first on_container(); empty if not told.
  const std::string& docker_root() const;

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace longshore::docker
