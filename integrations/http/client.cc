#include "integrations/http/client.h"

#include <fmt/format.h>
#include <strings.h>

#include <array>
#include <cassert>
#include <optional>
#include <utility>

#include "config/limits.h"

namespace longshore::http {
namespace {

bool is_unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("-_.~/=").find(c) != std::string_view::npos;
}

// Errors that would occur again if the same request were repeated.
bool is_setting(CURLcode code) {
  switch (code) {
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ENGINE_NOTFOUND:
      return true;
    default:
      return false;
  }
}

// What the operator can do, appended to curl's own message; empty if that message says it.
std::string remedy_of(CURLcode code, CURL* easy, const std::string& url) {
  switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION: {
      // OpenSSL's codes. Unspecified: the chain is fine, so the host name must be the problem.
      constexpr long kUnspecified = 1, kNotYetValid = 9, kExpired = 10;
      long verdict = 0;
      curl_easy_getinfo(easy, CURLINFO_SSL_VERIFYRESULT, &verdict);
      if (verdict == kNotYetValid || verdict == kExpired) return {};
      if (verdict <= kUnspecified) return "; use the host name that the certificate names";
      return "; give the issuer's certificate with --ca";
    }
    case CURLE_SSL_CERTPROBLEM:
      return "; --cert and --key must be a certificate and its own key, in PEM";
    case CURLE_SSL_CACERT_BADFILE:
      return "; --ca must be a file of certificates in PEM";
    case CURLE_UNSUPPORTED_PROTOCOL:
      return "; for TLS, begin the address with https:// (HDFS: swebhdfs://)";
    case CURLE_SSL_CONNECT_ERROR:
      return "; without TLS, begin the address with http:// (HDFS: webhdfs://)";
    case CURLE_GOT_NOTHING:
      return url.starts_with("http://") ? "; for TLS, begin the address with https://" : "";
    default:
      return {};
  }
}

// Without the query, which may hold tokens.
std::string shown(const Request& request) {
  return request.method + " " + request.url.substr(0, request.url.find('?'));
}

std::string header_of(CURL* easy, const char* name) {
  curl_header* header = nullptr;
  const CURLHcode code = curl_easy_header(easy, name, 0, CURLH_HEADER, -1, &header);
  return code == CURLHE_OK ? header->value : std::string();
}

}  // namespace

std::string escape_path(std::string_view path) {
  std::string out;
  for (const char c : path) {
    if (is_unreserved(c)) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

struct Client::Exchange {
  const Request& request;
  Answer answer;
  std::optional<Error> own;  // Returned by a callback.
  bool too_large = false;
  std::array<char, CURL_ERROR_SIZE> words{};
  CURL* easy = nullptr;
};

Status check_url(const std::string& flag, const std::string& url) {
  const auto invalid = [&flag](const std::string& why) {
    return Error{ErrorCode::kInvalid, flag + ": " + why};
  };
  const std::unique_ptr<CURLU, void (*)(CURLU*)> parsed(curl_url(), curl_url_cleanup);
  if (curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK)
    return invalid("not a URL; write it as http://host:port.");
  const auto part = [&parsed](CURLUPart which) {
    char* text = nullptr;
    if (curl_url_get(parsed.get(), which, &text, 0) != CURLUE_OK) return std::string();
    std::string copy = text;
    curl_free(text);
    return copy;
  };
  const std::string scheme = part(CURLUPART_SCHEME);
  if (scheme != "http" && scheme != "https")
    return invalid("the address must begin with http:// or https://.");
  if (!part(CURLUPART_USER).empty() || !part(CURLUPART_PASSWORD).empty())
    return invalid(
        "a URL is visible to others: give the user with --user and the password in a file.");
  return ok();
}

std::string_view page_title(std::string_view body) {
  constexpr std::string_view kTitle = "<title>";
  const size_t title = body.find(kTitle);
  if (title == std::string_view::npos) return {};
  body.remove_prefix(title + kTitle.size());
  return body.substr(0, body.find('<'));
}

std::string warning_of(const std::string& flag, const std::string& url, const Access& access) {
  const bool secret = !access.password.empty() || !access.api_key.empty();
  // curl accepts the scheme in upper case too.
  if (!secret || ::strncasecmp(url.c_str(), "https:", 6) == 0) return {};
  return flag + " " + url + ": " + (access.api_key.empty() ? "the password" : "the API key") +
         " is sent unencrypted; use https:// instead.";
}

Client::Client(Access access, const std::atomic<bool>* stop)
    : Client(std::move(access), stop, Patience()) {}

Client::Client(Access access, const std::atomic<bool>* stop, Patience patience)
    : access_(std::move(access)), stop_(stop), patience_(patience), easy_(curl_easy_init()) {
  assert(easy_);
}

Client::~Client() = default;

size_t Client::on_read(char* to, size_t size, size_t count, void* exchange) {
  auto* self = static_cast<Exchange*>(exchange);
  Result<size_t> filled = self->request.read(to, size * count);
  if (filled) {
    assert(*filled <= size * count);
    return *filled;
  }
  self->own = filled.error();
  return CURL_READFUNC_ABORT;
}

size_t Client::on_write(char* data, size_t size, size_t count, void* exchange) {
  auto* self = static_cast<Exchange*>(exchange);
  const size_t bytes = size * count;
  if (self->request.write) {
    long status = 0;
    curl_easy_getinfo(self->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status >= 200 && status < 300) {
      Status taken = self->request.write({data, bytes});
      if (taken) return bytes;
      self->own = taken.error();
      return CURL_WRITEFUNC_ERROR;
    }
  }
  if (self->answer.body.size() + bytes > self->request.answer_bytes_max) {
    self->too_large = true;
    return CURL_WRITEFUNC_ERROR;
  }
  self->answer.body.append(data, bytes);
  return bytes;
}

int Client::on_progress(void* client, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  const std::atomic<bool>* stop = static_cast<Client*>(client)->stop_;
  return stop != nullptr && stop->load() ? 1 : 0;
}

void Client::set_access(const Request& request) {
  CURL* easy = easy_.get();
  const auto text = [easy](CURLoption option, const std::string& value) {
    if (!value.empty()) curl_easy_setopt(easy, option, value.c_str());
  };
  text(CURLOPT_CAINFO, access_.ca_file);
  // Else the system's folder of certificates is trusted beside it.
  if (!access_.ca_file.empty()) curl_easy_setopt(easy, CURLOPT_CAPATH, nullptr);
  text(CURLOPT_SSLCERT, access_.cert_file);
  text(CURLOPT_SSLKEY, access_.key_file);
  if (access_.insecure) {
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
  }
  if (!request.credentials) return;
  if (access_.negotiate) {
    curl_easy_setopt(easy, CURLOPT_HTTPAUTH, static_cast<long>(CURLAUTH_NEGOTIATE));
    curl_easy_setopt(easy, CURLOPT_USERPWD, ":");
  } else if (!access_.user.empty()) {
    curl_easy_setopt(easy, CURLOPT_HTTPAUTH, static_cast<long>(CURLAUTH_BASIC));
    curl_easy_setopt(easy, CURLOPT_USERNAME, access_.user.c_str());
    curl_easy_setopt(easy, CURLOPT_PASSWORD, access_.password.c_str());
  }
}

Client::Headers Client::set_headers(const Request& request) {
  Headers list;
  const auto add = [&list](const std::string& header) {
    curl_slist* longer = curl_slist_append(list.get(), header.c_str());
    assert(longer != nullptr);
    static_cast<void>(list.release());
    list.reset(longer);
  };
  // No round trip before a large body, and no content type of a form.
  add("Expect:");
  bool typed = false;
  for (const std::string& header : request.headers) {
    add(header);
    typed = typed || header.starts_with("Content-Type:");
  }
  if (!typed) add("Content-Type:");
  if (request.credentials && !access_.api_key.empty())
    add("Authorization: ApiKey " + access_.api_key);
  curl_easy_setopt(easy_.get(), CURLOPT_HTTPHEADER, list.get());
  return list;
}

void Client::set_body(Exchange& exchange) {
  CURL* easy = easy_.get();
  const Request& request = exchange.request;
  if (request.read) {
    curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, &Client::on_read);
    curl_easy_setopt(easy, CURLOPT_READDATA, &exchange);
    curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(request.read_bytes));
  } else if (request.method == "HEAD") {
    curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
  } else if (request.method != "GET" || !request.body.empty()) {
    // An empty body too: a server may wait for the length of the body that it expects.
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request.body.empty() ? "" : request.body.data());
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(request.body.size()));
  }
  if (request.method != "HEAD")
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
}

Result<Answer> Client::exchange(const Request& request) {
  CURL* easy = easy_.get();
  curl_easy_reset(easy);  // Connections stay.
  Exchange exchange{.request = request, .answer = {}, .own = {}, .words = {}, .easy = easy};
  curl_easy_setopt(easy, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_PROXY, "");
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, long{CURL_HTTP_VERSION_1_1});
  curl_easy_setopt(easy, CURLOPT_USERAGENT, "longshore/" LONGSHORE_VERSION);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  // The defaults of 16 and 64 KiB cost a system call each.
  curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, limits::kHttpBufferBytes);
  curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, limits::kHttpBufferBytes);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, patience_.connect_ms);
  curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, patience_.stall_s);
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, request.timeout_ms);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, exchange.words.data());
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &Client::on_write);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &exchange);
  curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, &Client::on_progress);
  curl_easy_setopt(easy, CURLOPT_XFERINFODATA, this);
  set_access(request);
  const Headers headers = set_headers(request);
  set_body(exchange);
  return finish(exchange, curl_easy_perform(easy));
}

Result<Answer> Client::finish(Exchange& exchange, CURLcode code) {
  // The list of headers and the buffer of messages end with this exchange.
  curl_easy_setopt(easy_.get(), CURLOPT_HTTPHEADER, nullptr);
  curl_easy_setopt(easy_.get(), CURLOPT_ERRORBUFFER, nullptr);
  if (exchange.own) return *std::move(exchange.own);
  const Request& request = exchange.request;
  if (exchange.too_large) {
    return Error{ErrorCode::kFull, shown(request) + ": the answer is larger than " +
                                       std::to_string(request.answer_bytes_max) + " bytes"};
  }
  if (code != CURLE_OK) {
    const char* const words =
        exchange.words[0] != '\0' ? exchange.words.data() : curl_easy_strerror(code);
    return Error{is_setting(code) ? ErrorCode::kInvalid : ErrorCode::kRetryable,
                 shown(request) + ": " + words + remedy_of(code, easy_.get(), request.url)};
  }
  curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &exchange.answer.status);
  exchange.answer.location = header_of(easy_.get(), "Location");
  exchange.answer.retry_after = header_of(easy_.get(), "Retry-After");
  return std::move(exchange.answer);
}

}  // namespace longshore::http
