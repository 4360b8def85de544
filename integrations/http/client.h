// HTTP requests, one after the other, over connections that are kept: for search nodes, NameNodes
// and DataNodes.
//
//   Request --> libcurl's easy interface --> Answer, or an Error when there is no whole answer
//
// For several requests at once, several clients, each on its own thread.
#pragma once

#include <curl/curl.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "config/limits.h"
#include "config/result.h"

namespace longshore::http {

/// Credentials for a service, and the certificates that its own is checked against. Never logged.
struct Access {
  std::string user = {}, password = {};  ///< Basic.
  std::string api_key = {};              ///< Sent as "Authorization: ApiKey ...".
  bool negotiate = false;    ///< Kerberos by SPNEGO, with the ticket of the environment.
  std::string ca_file = {};  ///< PEM; empty: the system's.
  std::string cert_file = {}, key_file = {};
  bool insecure = false;  ///< The server's certificate is not checked.
};

/// Errors: kInvalid, one sentence that names the flag: not an http(s) URL, or one with a password.
Status check_url(const std::string& flag, const std::string& url);

/// A warning if `access` holds a secret that would be sent to `url` unencrypted; else empty.
std::string warning_of(const std::string& flag, const std::string& url, const Access& access);

/// Strings and callbacks must outlive exchange().
struct Request {
  std::string method = "GET";
  std::string url = {};
  std::vector<std::string> headers = {};  ///< "Name: value"
  std::string_view body = {};             ///< Sent unless `read` is set.
  /// A body that is produced while it is sent: fills at most `size` bytes; 0 ends the body. An
  /// error ends the exchange, which returns it.
  std::function<Result<size_t>(char* to, size_t size)> read = {};
  int64_t read_bytes = -1;  ///< How much `read` will give; -1: unknown, so sent in chunks.
  /// Takes the body of an answer of 200 to 299 piece by piece; any other body is kept. Errors as
  /// for `read`.
  std::function<Status(std::string_view)> write = {};
  size_t answer_bytes_max = limits::kHttpAnswerBytesMax;  ///< Of a body that is kept.
  long timeout_ms = 0;                                    ///< Of the whole exchange; 0: none.
  bool credentials = true;  ///< false: for a host that is known only from an answer.
};

/// `path` escaped for a URL; slashes stay.
std::string escape_path(std::string_view path);

/// The title of an HTML page, such as a proxy in front of a service answers with; empty: none.
std::string_view page_title(std::string_view body);

/// A complete answer, whatever its status. Redirects are not followed.
struct Answer {
  long status = 0;
  std::string body;  ///< Unless `write` took it.
  std::string location, retry_after;
};

/// Thread: one.
class Client {
 public:
  struct Patience {
    long connect_ms = limits::kHttpConnectMs;
    long stall_s = limits::kHttpStallS;
  };

  /// An exchange in progress ends within a second after `*stop` turns true. May be null.
  explicit Client(Access access, const std::atomic<bool>* stop = nullptr);
  Client(Access access, const std::atomic<bool>* stop, Patience patience);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// Errors: kRetryable: no complete answer, with the reason; the request may have been carried
  /// out. kFull: the answer is larger than answer_bytes_max. kInvalid: a person must fix it (a
  /// certificate that is not trusted or cannot be read, a malformed URL). And those of `read` and
  /// `write`.
  Result<Answer> exchange(const Request& request);

 private:
  struct Exchange;
  struct EasyCleanup {
    void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
  };
  struct ListFree {
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
  };
  using Headers = std::unique_ptr<curl_slist, ListFree>;

  static size_t on_read(char* to, size_t size, size_t count, void* exchange);
  static size_t on_write(char* data, size_t size, size_t count, void* exchange);
  static int on_progress(void* client, curl_off_t, curl_off_t, curl_off_t, curl_off_t);

  void set_access(const Request& request);
  Headers set_headers(const Request& request);
  void set_body(Exchange& exchange);
  Result<Answer> finish(Exchange& exchange, CURLcode code);

  const Access access_;
  const std::atomic<bool>* const stop_;
  const Patience patience_;
  const std::unique_ptr<CURL, EasyCleanup> easy_;
};

}  // namespace longshore::http
