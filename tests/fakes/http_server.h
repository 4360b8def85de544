// An HTTP/1.1 server for tests on 127.0.0.1: what it answers is a function of the test.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "config/fd.h"

namespace longshore::fakes {

struct HttpRequest {
  std::string method, target;
  std::map<std::string, std::string> headers;  ///< Names in lower case.
  std::string body;                            ///< Chunks are joined.
};

struct HttpReply {
  int status = 200;
  std::string body = {};
  std::vector<std::string> headers = {};  ///< "Name: value"
  bool hang_up = false;                   ///< The connection ends without this reply.
  bool cut = false;                       ///< It ends before the last byte of the body.
};

/// Thread: any; each connection has its own, which calls the function. It listens from its
/// construction to its destruction.
class HttpServer {
 public:
  explicit HttpServer(std::function<HttpReply(const HttpRequest&)> respond);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  std::string url() const;  ///< "http://127.0.0.1:PORT"
  size_t connections() const;
  std::vector<HttpRequest> requests() const;  ///< As they came.

 private:
  void accept_all();
  void serve(int fd);

  const std::function<HttpReply(const HttpRequest&)> respond_;
  Fd listener_;
  int port_ = 0;
  mutable std::mutex mutex_;
  std::set<int> open_;
  size_t connections_ = 0;
  std::vector<HttpRequest> requests_;
  bool ending_ = false;
  std::vector<std::thread> servers_;
  std::thread acceptor_;
};

}  // namespace longshore::fakes
