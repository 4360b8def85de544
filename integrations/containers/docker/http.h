// HTTP GETs over a Unix socket, asynchronous on a libuv loop.
//
//   get() --> libcurl's multi interface <--poll, timer--> uv loop --> on_open, on_data, on_done
//
// Connections are kept and used again, so a request to an idle dockerd costs one write and one
// read.
#pragma once

#include <curl/curl.h>
#include <uv.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "config/result.h"
#include "integrations/containers/docker/timer.h"

namespace longshore::docker {

/// A complete answer, whatever its status.
struct HttpAnswer {
  long status = 0;
  std::string body;         ///< Empty for a stream.
  std::string api_version;  ///< The header Api-Version.
};

struct HttpGet {
  std::string target;   ///< "/v1.41/info"
  long timeout_ms = 0;  ///< Of the whole exchange; 0: none.
  size_t body_bytes_max = 0;

  /// For a stream: the body goes to on_data piece by piece and is not kept. Both may be empty.
  std::function<void(long status)> on_open;  ///< The head of the answer has arrived.
  std::function<void(std::string_view)> on_data;

  /// The last call for this request. Errors: kRetryable: no complete answer, with the reason;
  /// kFull: the body exceeds body_bytes_max.
  std::function<void(Result<HttpAnswer>)> on_done;
};

/// Thread: the loop's. No callback runs inside get() or cancel(), and every callback may call both.
/// Destroying it, also from a callback, cancels all requests; the loop then frees its handles.
class Http {
 public:
  using Id = uint64_t;

  Http(uv_loop_t* loop, std::string socket_path);
  ~Http();
  Http(const Http&) = delete;
  Http& operator=(const Http&) = delete;

  Id get(HttpGet request);
  /// No callback of this request is called after this. Unknown ids are ignored.
  void cancel(Id id);
  /// Cancels all requests and closes the idle connections too.
  void cancel_all();

 private:
  struct Transfer;
  struct Poll;

  static int on_socket(CURL* easy, curl_socket_t socket, int what, void* http, void* poll);
  static int on_timer(CURLM* multi, long timeout_ms, void* http);
  static size_t on_head(char* data, size_t size, size_t count, void* transfer);
  static size_t on_body(char* data, size_t size, size_t count, void* transfer);

  void make_multi();
  void watch(curl_socket_t socket, int what, Poll* poll);
  void act(curl_socket_t socket, int what);
  void collect_finished();
  void report();
  void report_stream(Id id);
  CURL* take_easy();
  void release(Transfer& transfer);

  uv_loop_t* const loop_;
  const std::string socket_path_;
  CURLM* multi_ = nullptr;
  std::vector<CURL*> spare_;
  std::map<Id, std::unique_ptr<Transfer>> transfers_;
  Id last_id_ = 0;
  Timer timer_;
  // False once a callback has destroyed this object: its caller looks.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace longshore::docker
