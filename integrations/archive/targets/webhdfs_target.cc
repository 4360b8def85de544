#include "integrations/archive/targets/webhdfs_target.h"

#include <fmt/format.h>
#include <simdjson.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

#include "config/path.h"

namespace longshore::archive {

namespace {

constexpr long kAskMs = 30'000;
constexpr size_t kTitleBytesMax = 200;
constexpr size_t kListBytesMax = 64 << 20;  // About 200,000 names in one folder.

// The NameNode is not the active one, or not ready: ask another.
bool is_elsewhere(std::string_view exception) {
  return exception == "StandbyException" || exception == "SafeModeException" ||
         exception == "RetriableException" || exception == "ObserverRetryOnActiveException";
}

Entry entry_of(simdjson::dom::object status, std::string name) {
  Entry entry{.name = std::move(name)};
  entry.folder = std::string_view(status["type"].get_string()) == "DIRECTORY";
  entry.bytes = status["length"].get_int64();
  entry.modified_ms = status["modificationTime"].get_int64();
  return entry;
}

Error nonsense(const std::string& path) {
  return {ErrorCode::kCorrupt, fmt::format("the answer about {} is not one of WebHDFS", path)};
}

// HttpFS and older calls answer {"boolean":false} if nothing was done, and true or an empty body if
// it was. Any other answer came from something in between, such as a proxy: empty.
std::optional<bool> done_in(long status, const std::string& body) {
  constexpr long kOk = 200;
  if (status != kOk) return std::nullopt;
  if (body.empty()) return true;
  simdjson::dom::parser parser;
  simdjson::dom::element document;
  bool value = false;
  if (parser.parse(body).get(document) || document["boolean"].get(value)) return std::nullopt;
  return value;
}

std::string location_in(const std::string& body) {
  simdjson::dom::parser parser;
  simdjson::dom::element document;
  std::string_view location;
  if (parser.parse(body).get(document) || document["Location"].get(location)) return {};
  return std::string(location);
}

// The reason in an answer that refuses us: WebHDFS's JSON, or the title of the page that a servlet
// filter or a proxy sends.
void explain(const std::string& body, std::string& exception, std::string& message) {
  simdjson::dom::parser parser;
  simdjson::dom::element document;
  std::string_view text;
  if (!parser.parse(body).get(document)) {
    if (!document["RemoteException"]["exception"].get(text)) exception = text;
    if (!document["RemoteException"]["message"].get(text))
      message = text.substr(0, text.find('\n'));
    return;
  }
  const std::string_view title = http::page_title(body).substr(0, kTitleBytesMax);
  message = title.substr(0, title.find('\n'));
}

}  // namespace

Result<WebHdfsPlace> parse_webhdfs_url(const std::string& flag, const std::string& url) {
  const Error bad{ErrorCode::kInvalid,
                  fmt::format("{} {}: write it as webhdfs://host:port/dir, or with several "
                              "NameNodes as webhdfs://host:port,host:port/dir.",
                              flag, url)};
  const size_t scheme = url.find("://");
  if (scheme == std::string::npos) return bad;
  const std::string http = url.starts_with("swebhdfs") ? "https://" : "http://";
  const std::string rest = url.substr(scheme + 3);
  const size_t slash = std::min(rest.find('/'), rest.size());
  WebHdfsPlace place;
  place.root = rest.substr(slash);
  while (place.root.ends_with('/')) place.root.pop_back();
  const std::string nodes = rest.substr(0, slash);
  for (size_t at = 0; at <= nodes.size();) {
    const size_t comma = std::min(nodes.find(',', at), nodes.size());
    const std::string node = nodes.substr(at, comma - at);
    const size_t colon = node.rfind(':');
    if (colon == std::string::npos || colon == 0 || colon + 1 == node.size() ||
        node.find_first_not_of("0123456789", colon + 1) != std::string::npos ||
        node.find_first_of("@?#% ") != std::string::npos)
      return bad;
    if (Status status = http::check_url(flag, http + node); !status) return status.error();
    place.nodes.push_back(http + node);
    at = comma + 1;
  }
  if (place.root.find_first_of(":?#") != std::string::npos) return bad;
  return place;
}

WebHdfsTarget::WebHdfsTarget(WebHdfsPlace place, std::string user, const http::Access& access,
                             const std::atomic<bool>* stop)
    : place_(std::move(place)),
      user_(std::move(user)),
      negotiate_(access.negotiate),
      client_(access, stop) {}

bool WebHdfsTarget::is_node(const std::string& url) const {
  return std::any_of(place_.nodes.begin(), place_.nodes.end(),
                     [&url](const std::string& node) { return url.starts_with(node + "/"); });
}

Result<WebHdfsTarget::Reply> WebHdfsTarget::ask_node(const std::string& node,
                                                     const std::string& method,
                                                     const std::string& path,
                                                     const std::string& query) {
  http::Request request;
  request.method = method;
  const std::string whole = path.empty() ? place_.root : place_.root + "/" + path;
  request.url = node + "/webhdfs/v1" + http::escape_path(whole.empty() ? "/" : whole) + "?" + query;
  if (!user_.empty()) request.url += "&user.name=" + http::escape_path(user_);
  request.timeout_ms = kAskMs;
  request.answer_bytes_max = kListBytesMax;
  Result<http::Answer> answer = client_.exchange(request);
  if (!answer) return answer.error();
  Reply reply{.status = answer->status,
              .body = std::move(answer->body),
              .location = std::move(answer->location),
              .exception = {},
              .message = {}};
  if (reply.good()) return reply;
  explain(reply.body, reply.exception, reply.message);
  return reply;
}

// Asks the NameNode that answered last, then the others, once each.
Result<WebHdfsTarget::Reply> WebHdfsTarget::ask(const std::string& method, const std::string& path,
                                                const std::string& query) {
  Error last{ErrorCode::kRetryable, ""};
  for (size_t i = 0; i < place_.nodes.size(); ++i) {
    const std::string& node = place_.nodes[node_];
    Result<Reply> reply = ask_node(node, method, path, query);
    if (reply && !is_elsewhere(reply->exception) && reply->status < 502) return reply;
    if (!reply && reply.error().code == ErrorCode::kFull) return reply;
    Error error = reply ? Error{ErrorCode::kRetryable, fmt::format("{} is not ready: {} {}", node,
                                                                   reply->status, reply->exception)}
                        : reply.error();
    // Report an untrusted node only if all of them are: an unreachable one may come back.
    if (i == 0 || error.code == ErrorCode::kRetryable) last = std::move(error);
    node_ = (node_ + 1) % place_.nodes.size();
  }
  return last;
}

Error WebHdfsTarget::refused(const std::string& what, const std::string& path,
                             const Reply& reply) const {
  constexpr long kUnauthorized = 401;
  if (reply.status == kUnauthorized && reply.exception.empty()) {
    return {
        ErrorCode::kInvalid,
        fmt::format("could not {} {}/{}: {}", what, place_.root, path,
                    negotiate_
                        ? "no Kerberos ticket that the service accepts: check klist, get one with "
                          "kinit, and use the service's host name in the address"
                        : "the service requires authentication (401): for Kerberos use "
                          "--negotiate, with a ticket from kinit")};
  }
  ErrorCode code = ErrorCode::kRetryable;
  if (reply.exception == "FileNotFoundException") code = ErrorCode::kNotFound;
  if (reply.exception.ends_with("QuotaExceededException")) code = ErrorCode::kFull;
  if (reply.exception == "AccessControlException" || reply.exception == "SecurityException" ||
      reply.exception == "InvalidPathException" ||
      reply.exception == "ParentNotDirectoryException" ||
      reply.exception == "IllegalArgumentException" || reply.status == kUnauthorized)
    code = ErrorCode::kInvalid;
  return {code, fmt::format("could not {} {}/{}: {} {} {}", what, place_.root, path, reply.status,
                            reply.exception, reply.message)};
}

Result<std::vector<Entry>> WebHdfsTarget::list(const std::string& folder) {
  Result<Reply> reply = ask("GET", folder, "op=LISTSTATUS");
  if (!reply) return reply.error();
  if (!reply->good()) return refused("list", folder, *reply);
  std::vector<Entry> entries;
  try {
    simdjson::dom::parser parser;
    for (auto status : parser.parse(reply->body)["FileStatuses"]["FileStatus"].get_array()) {
      const std::string_view name = status["pathSuffix"].get_string();
      // Listing a file returns the file itself, without a name.
      if (name.empty())
        return Error{ErrorCode::kInvalid, fmt::format("{} is not a folder", folder)};
      entries.push_back(entry_of(status.get_object(), std::string(name)));
    }
  } catch (const simdjson::simdjson_error&) {
    return nonsense(folder);
  }
  return entries;
}

Result<Entry> WebHdfsTarget::stat(const std::string& path) {
  Result<Reply> reply = ask("GET", path, "op=GETFILESTATUS");
  if (!reply) return reply.error();
  if (!reply->good()) return refused("look at", path, *reply);
  try {
    simdjson::dom::parser parser;
    return entry_of(parser.parse(reply->body)["FileStatus"].get_object(),
                    std::string(last_component(path)));
  } catch (const simdjson::simdjson_error&) {
    return nonsense(path);
  }
}

Status WebHdfsTarget::make_folder(const std::string& folder) {
  Result<Reply> reply = ask("PUT", folder, "op=MKDIRS");
  if (!reply) return reply.error();
  if (!reply->good()) return refused("make", folder, *reply);
  const std::optional<bool> done = done_in(reply->status, reply->body);
  if (!done) return nonsense(folder);
  return *done ? ok() : refused("make", folder, *reply);
}

// Where to send or read the bytes. A NameNode redirects to a DataNode, HttpFS to itself.
Result<std::string> WebHdfsTarget::redirect(const std::string& method, const std::string& path,
                                            const std::string& query) {
  Result<Reply> reply = ask(method, path, query + "&noredirect=true");
  if (!reply) return reply.error();
  if (!reply->good()) return refused("open", path, *reply);
  const std::string location = reply->location.empty() ? location_in(reply->body) : reply->location;
  if (!location.starts_with("http://") && !location.starts_with("https://")) return nonsense(path);
  // Data and tokens that are protected by TLS must not be sent in the clear.
  if (place_.nodes[node_].starts_with("https://") && location.starts_with("http://")) {
    return Error{ErrorCode::kInvalid,
                 fmt::format("{}/{} is redirected to {}, without TLS", place_.root, path,
                             location.substr(0, location.find('/', sizeof "http://" - 1)))};
  }
  return location;
}

Status WebHdfsTarget::send(const std::string& path, http::Request request) {
  Result<std::string> location = redirect("PUT", path, "op=CREATE&overwrite=false");
  if (!location) return location.error();
  request.method = "PUT";
  request.url = *location;
  request.credentials = is_node(*location);
  // HttpFS accepts no other type.
  request.headers = {"Content-Type: application/octet-stream"};
  Result<http::Answer> answer = client_.exchange(request);
  if (!answer) return answer.error();
  constexpr long kCreated = 201;
  if (answer->status == kCreated) return ok();
  Reply reply{.status = answer->status, .body = {}, .location = {}, .exception = {}, .message = {}};
  explain(answer->body, reply.exception, reply.message);
  Error error = refused("write", path, reply);
  // The folder exists: the file was lost with a NameNode, or removed while it was written.
  if (error.code == ErrorCode::kNotFound) error.code = ErrorCode::kRetryable;
  return error;
}

Status WebHdfsTarget::put(const std::string& path, int fd, int64_t bytes) {
  http::Request request;
  int64_t at = 0;
  request.read_bytes = bytes;
  request.read = [fd, bytes, &at, &path](char* to, size_t size) -> Result<size_t> {
    for (;;) {
      const ssize_t n = ::pread(fd, to, size, at);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 || (n == 0 && at < bytes)) {
        return Error{ErrorCode::kCorrupt, fmt::format("could not read the spool for {}: {}", path,
                                                      std::strerror(errno))};
      }
      at += n;
      return static_cast<size_t>(n);
    }
  };
  return send(path, std::move(request));
}

Status WebHdfsTarget::put(const std::string& path, std::string_view content) {
  http::Request request;
  request.body = content;
  return send(path, std::move(request));
}

// A NameNode obeys renameoptions and answers 200 with an empty body, or with the reason for a
// refusal. HttpFS ignores the option and answers {"boolean":false} to every failure; it never
// replaces a file either.
Result<Renamed> WebHdfsTarget::rename_new(const std::string& from, const std::string& to) {
  const std::string whole = place_.root + "/" + to;
  Result<Reply> reply =
      ask("PUT", from, "op=RENAME&renameoptions=NONE&destination=" + http::escape_path(whole));
  if (!reply) return reply.error();
  const std::optional<bool> done = done_in(reply->status, reply->body);
  if (done && *done) return Renamed::kDone;
  if (reply->good() && !done) return nonsense(from);
  if (reply->exception == "FileAlreadyExistsException") return Renamed::kTaken;
  if (!reply->good() && reply->exception != "FileNotFoundException")
    return refused("rename " + from + " to", to, *reply);
  Result<Entry> source = stat(from);
  if (!source && source.error().code == ErrorCode::kNotFound) return Renamed::kGone;
  if (!source) return source.error();
  Result<Entry> target = stat(to);
  if (target) return Renamed::kTaken;
  if (target.error().code != ErrorCode::kNotFound) return target.error();
  return Error{ErrorCode::kRetryable, fmt::format("could not rename {} to {}", from, to)};
}

Status WebHdfsTarget::remove(const std::string& path) {
  Result<Reply> reply = ask("DELETE", path, "op=DELETE&recursive=false");
  if (!reply) return reply.error();
  if (!reply->good())
    return reply->exception == "FileNotFoundException" ? ok() : refused("remove", path, *reply);
  return done_in(reply->status, reply->body) ? ok() : nonsense(path);
}

Status WebHdfsTarget::read(const std::string& path,
                           const std::function<Status(std::string_view)>& take) {
  Result<std::string> location = redirect("GET", path, "op=OPEN");
  if (!location) return location.error();
  http::Request request;
  request.url = *location;
  request.credentials = is_node(*location);
  request.write = take;
  Result<http::Answer> answer = client_.exchange(request);
  if (!answer) return answer.error();
  constexpr long kOk = 200;
  if (answer->status == kOk) return ok();
  return refused("read", path,
                 {.status = answer->status,
                  .body = {},
                  .location = {},
                  .exception = {},
                  .message = answer->body.substr(0, 200)});
}

}  // namespace longshore::archive
