// A Docker daemon for tests: HTTP on a Unix socket, answers scripted by the test, every event sent
// by hand.
//
//   test thread: answer(), send_event(), hang_up() --> FakeDocker <--HTTP-- Client
#pragma once

#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "config/fd.h"

namespace longshore::fakes {

/// Thread: any; its own threads serve one connection each. It listens from its construction to its
/// destruction.
class FakeDocker {
 public:
  explicit FakeDocker(std::string socket_path);
  ~FakeDocker();
  FakeDocker(const FakeDocker&) = delete;
  FakeDocker& operator=(const FakeDocker&) = delete;

  /// What GET `path` (without version and query) is answered with from now on.
  void answer(const std::string& path, int status, std::string body);
  /// Requests for `path` wait until it is let go; others are answered.
  void hold(const std::string& path);
  void let_go(const std::string& path);

  /// Raw bytes, to every event stream.
  void send_event(const std::string& bytes);
  /// Closes all connections.
  void hang_up();

  /// Targets as they came, in order.
  std::vector<std::string> requests() const;
  size_t streams() const;

 private:
  struct Reply {
    int status = 404;
    std::string body;
  };

  void accept_all();
  void serve(int fd);
  bool reply_to(int fd, const std::string& target);

  const std::string socket_path_;
  Fd listener_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, Reply> replies_;
  std::set<std::string> held_;
  std::set<int> connections_;
  std::set<int> streams_;
  std::vector<std::string> requests_;
  bool ending_ = false;
  std::vector<std::thread> servers_;
  std::thread acceptor_;
};

}  // namespace longshore::fakes
