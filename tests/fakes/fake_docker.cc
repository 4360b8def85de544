#include "tests/fakes/fake_docker.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cassert>
#include <cstdio>
#include <cstring>
#include <utility>

#include "tests/fakes/send_all.h"

namespace longshore::fakes {
namespace {

// One request's head; none of them has a body. Empty at the connection's end.
std::string read_head(int fd) {
  std::string head;
  char byte = 0;
  while (!head.ends_with("\r\n\r\n")) {
    if (::recv(fd, &byte, 1, 0) != 1) return "";
    head.push_back(byte);
  }
  return head;
}

// "/v1.41/info?x" is "/info".
std::string path_of(std::string target) {
  target = target.substr(0, target.find('?'));
  return target.starts_with("/v1.") ? target.substr(target.find('/', 1)) : target;
}

std::string as_chunk(const std::string& bytes) {
  char size[32];
  std::snprintf(size, sizeof size, "%zx\r\n", bytes.size());
  return size + bytes + "\r\n";
}

}  // namespace

FakeDocker::FakeDocker(std::string socket_path) : socket_path_(std::move(socket_path)) {
  replies_["/_ping"] = {200, "OK"};
  replies_["/info"] = {200, R"({"DockerRootDir":"/fake"})"};
  replies_["/containers/json"] = {200, "[]"};
  ::unlink(socket_path_.c_str());
  listener_ = Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  assert(socket_path_.size() < sizeof address.sun_path);
  std::strncpy(address.sun_path, socket_path_.c_str(), sizeof address.sun_path - 1);
  const int bound =
      ::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  assert(bound == 0);
  const int listening = ::listen(listener_.get(), 64);
  assert(listening == 0);
  acceptor_ = std::thread([this] { accept_all(); });
}

FakeDocker::~FakeDocker() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  ::unlink(socket_path_.c_str());
  ::shutdown(listener_.get(), SHUT_RDWR);
  acceptor_.join();
  hang_up();
  for (std::thread& server : servers_) server.join();
}

void FakeDocker::answer(const std::string& path, int status, std::string body) {
  const std::lock_guard lock(mutex_);
  replies_[path] = {status, std::move(body)};
}

void FakeDocker::hold(const std::string& path) {
  const std::lock_guard lock(mutex_);
  held_.insert(path);
}

void FakeDocker::let_go(const std::string& path) {
  const std::lock_guard lock(mutex_);
  held_.erase(path);
  changed_.notify_all();
}

void FakeDocker::send_event(const std::string& bytes) {
  const std::lock_guard lock(mutex_);
  for (const int fd : streams_) send_all(fd, as_chunk(bytes));
}

void FakeDocker::hang_up() {
  const std::lock_guard lock(mutex_);
  for (const int fd : connections_) ::shutdown(fd, SHUT_RDWR);
  streams_.clear();
  changed_.notify_all();
}

std::vector<std::string> FakeDocker::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

size_t FakeDocker::streams() const {
  const std::lock_guard lock(mutex_);
  return streams_.size();
}

void FakeDocker::accept_all() {
  for (;;) {
    const int fd = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
    const std::lock_guard lock(mutex_);
    if (fd < 0 || ending_) {
      if (fd >= 0) ::close(fd);
      return;
    }
    connections_.insert(fd);
    servers_.emplace_back([this, fd] { serve(fd); });
  }
}

void FakeDocker::serve(int fd) {
  for (std::string head = read_head(fd); !head.empty(); head = read_head(fd)) {
    const size_t start = head.find(' ') + 1;
    if (!reply_to(fd, head.substr(start, head.find(' ', start) - start))) break;
  }
  const std::lock_guard lock(mutex_);
  connections_.erase(fd);
  streams_.erase(fd);
  ::close(fd);
}

bool FakeDocker::reply_to(int fd, const std::string& target) {
  const std::string path = path_of(target);
  Reply reply;
  {
    std::unique_lock lock(mutex_);
    requests_.push_back(target);
    if (path == "/events") {
      streams_.insert(fd);
      return send_all(fd,
                      "HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\n"
                      "Transfer-Encoding: chunked\r\n\r\n");
    }
    changed_.wait(lock, [&] { return ending_ || !held_.contains(path); });
    const auto found = replies_.find(path);
    if (found != replies_.end()) reply = found->second;
  }
  return send_all(fd, "HTTP/1.1 " + std::to_string(reply.status) +
                          " Said\r\nApi-Version: 1.41\r\nContent-Length: " +
                          std::to_string(reply.body.size()) + "\r\n\r\n" + reply.body);
}

}  // namespace longshore::fakes
