#include "tests/fakes/http_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cctype>
#include <optional>
#include <sstream>
#include <utility>

#include "tests/fakes/send_all.h"

namespace longshore::fakes {
namespace {

/// Takes a connection's bytes apart. Each call is false at the connection's end.
class Incoming {
 public:
  explicit Incoming(int fd) : fd_(fd) {}

  bool line(std::string& out) {
    size_t end = 0;
    while ((end = held_.find("\r\n")) == std::string::npos)
      if (!more()) return false;
    out = held_.substr(0, end);
    held_.erase(0, end + 2);
    return true;
  }

  bool bytes(size_t count, std::string& out) {
    while (held_.size() < count)
      if (!more()) return false;
    out.append(held_, 0, count);
    held_.erase(0, count);
    return true;
  }

 private:
  bool more() {
    char some[65536];
    const ssize_t count = ::recv(fd_, some, sizeof some, 0);
    if (count <= 0) return false;
    held_.append(some, static_cast<size_t>(count));
    return true;
  }

  const int fd_;
  std::string held_;
};

bool read_chunks(Incoming& incoming, std::string& body) {
  std::string line;
  while (incoming.line(line)) {
    const size_t size = std::stoul(line, nullptr, 16);
    if (!incoming.bytes(size, body) || !incoming.line(line)) return false;
    if (size == 0) return true;
  }
  return false;
}

std::optional<HttpRequest> read_request(Incoming& incoming) {
  HttpRequest request;
  std::string line;
  if (!incoming.line(line)) return std::nullopt;
  std::istringstream(line) >> request.method >> request.target;
  while (incoming.line(line) && !line.empty()) {
    std::string name = line.substr(0, line.find(':'));
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    const size_t value = line.find_first_not_of(' ', name.size() + 1);
    request.headers[name] = value == std::string::npos ? "" : line.substr(value);
  }
  bool whole = line.empty();
  if (request.headers["transfer-encoding"] == "chunked") {
    whole = whole && read_chunks(incoming, request.body);
  } else if (request.headers.contains("content-length")) {
    whole = whole && incoming.bytes(std::stoul(request.headers.at("content-length")), request.body);
  }
  return whole ? std::optional(request) : std::nullopt;
}

}  // namespace

HttpServer::HttpServer(std::function<HttpReply(const HttpRequest&)> respond)
    : respond_(std::move(respond)), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = sizeof address;
  [[maybe_unused]] int code = ::bind(listener_.get(), generic, size);
  assert(code == 0);
  code = ::listen(listener_.get(), 64);
  assert(code == 0);
  code = ::getsockname(listener_.get(), generic, &size);
  assert(code == 0);
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { accept_all(); });
}

HttpServer::~HttpServer() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    for (const int fd : open_) ::shutdown(fd, SHUT_RDWR);
  }
  ::shutdown(listener_.get(), SHUT_RDWR);
  acceptor_.join();
  for (std::thread& server : servers_) server.join();
}

std::string HttpServer::url() const { return "http://127.0.0.1:" + std::to_string(port_); }

size_t HttpServer::connections() const {
  const std::lock_guard lock(mutex_);
  return connections_;
}

std::vector<HttpRequest> HttpServer::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

void HttpServer::accept_all() {
  for (;;) {
    const int fd = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
    const std::lock_guard lock(mutex_);
    if (fd < 0 || ending_) {
      if (fd >= 0) ::close(fd);
      return;
    }
    open_.insert(fd);
    connections_ += 1;
    servers_.emplace_back([this, fd] { serve(fd); });
  }
}

void HttpServer::serve(int fd) {
  Incoming incoming(fd);
  while (std::optional<HttpRequest> request = read_request(incoming)) {
    {
      const std::lock_guard lock(mutex_);
      requests_.push_back(*request);
    }
    const HttpReply reply = respond_(*request);
    if (reply.hang_up) break;
    std::string bytes = "HTTP/1.1 " + std::to_string(reply.status) + " Scripted\r\n";
    bytes += "Content-Length: " + std::to_string(reply.body.size()) + "\r\n";
    for (const std::string& header : reply.headers) bytes += header + "\r\n";
    bytes += "\r\n" + reply.body;
    if (reply.cut) bytes.pop_back();
    if (!send_all(fd, bytes) || reply.cut) break;
  }
  const std::lock_guard lock(mutex_);
  open_.erase(fd);
  ::close(fd);
}

}  // namespace longshore::fakes
