#include "integrations/search/search_node.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>

#include "config/printable.h"
#include "integrations/search/bulk_answer.h"

namespace longshore::search {
namespace {

constexpr size_t kSmallAnswerBytes = 256 << 10;

// Compressing smaller bodies costs more than it saves.
constexpr size_t kGzipBytesMin = 1024;

struct Version {
  std::string_view number, distribution;
};

// simdjson reports errors as exceptions here.
Version read_version(simdjson::ondemand::object root) {
  Version version;
  for (auto field : root) {
    const std::string_view key = field.unescaped_key();
    if (key != "version") continue;
    for (auto inner : field.value().get_object()) {
      const std::string_view name = inner.unescaped_key();
      if (name == "number") version.number = inner.value().get_string();
      if (name == "distribution") version.distribution = inner.value().get_string();
    }
  }
  return version;
}

/// Whether "2.19.1" is `major`.`minor` or later.
bool at_least(std::string_view number, int major, int minor) {
  int parts[2] = {0, 0};
  size_t part = 0;
  for (const char c : number) {
    if (c == '.') {
      if (++part == 2) break;
    } else if (c < '0' || c > '9' || parts[part] > 1'000'000) {
      break;
    } else {
      parts[part] = parts[part] * 10 + (c - '0');
    }
  }
  return parts[0] > major || (parts[0] == major && parts[1] >= minor);
}

Error refused(const std::string& what, const http::Answer& answer) {
  return {ErrorCode::kInvalid, fmt::format("{} was refused with {}: {}{}", what, answer.status,
                                           reason_of(answer.body), remedy_of(answer))};
}

std::string template_path(const std::string& name) {
  return "/_index_template/" + http::escape_path(name);
}

bool comes_later(long status) { return status >= 500 || status == 429 || status == 408; }

}  // namespace

std::string remedy_of(const http::Answer& answer) {
  switch (answer.status) {
    case 301:
    case 302:
    case 303:
    case 307:
    case 308:
      // The query may hold tokens.
      return fmt::format(" (it has moved: use --to {})",
                         printable(answer.location.substr(0, answer.location.find('?'))));
    case 400:
      if (service_reason(answer.body)) return {};
      return " (answered by a proxy: --to may need https://, or the proxy needs --cert and "
             "--key)";
    case 401:
      return " (check --user and --password-file, or --api-key-file; they are read at the start)";
    case 403:
      return " (not allowed for this user or key; --user, --password-file and --api-key-file are "
             "read at the start)";
    default:
      return {};
  }
}

Result<http::Answer> SearchNode::ask(const std::string& method, const std::string& target,
                                     std::string_view body, size_t answer_bytes_max,
                                     long timeout_ms) {
  http::Request request;
  request.method = method;
  request.url = options_.urls[node_] + target;
  request.body = body;
  request.answer_bytes_max = answer_bytes_max;
  request.timeout_ms =
      timeout_ms > 0 ? std::min(timeout_ms, options_.timeout_ms) : options_.timeout_ms;
  if (!body.empty()) {
    const bool bulk = target.starts_with("/_bulk");
    request.headers.push_back(bulk ? "Content-Type: application/x-ndjson"
                                   : "Content-Type: application/json");
  }
  if (options_.gzip && body.size() >= kGzipBytesMin) {
    packed_.clear();
    const http::Gzip::Sink append = [this](std::string_view piece) {
      packed_ += piece;
      return ok();
    };
    Status packed = gzip_.add(body, append);
    if (packed) packed = gzip_.finish(append);
    if (!packed) return packed.error();
    request.body = packed_;
    request.headers.push_back("Content-Encoding: gzip");
  }
  Result<http::Answer> answer = client_.exchange(request);
  const bool away = !answer || (answer->status >= 502 && answer->status <= 504);
  if (away) node_ = (node_ + 1) % options_.urls.size();
  return answer;
}

Result<FlatType> SearchNode::find_type() {
  std::string url = options_.urls[node_];
  Result<http::Answer> answer = ask("GET", "/", {}, kSmallAnswerBytes);
  // If the certificate of one node is not trusted, try the others.
  for (size_t i = 1; i < options_.urls.size(); ++i) {
    if (answer || answer.error().code != ErrorCode::kInvalid) break;
    url = options_.urls[node_];
    answer = ask("GET", "/", {}, kSmallAnswerBytes);
  }
  if (!answer) return answer.error();
  if (comes_later(answer->status)) {
    return Error{ErrorCode::kRetryable, fmt::format("{} answered with {}", url, answer->status)};
  }
  if (answer->status != 200) return refused(fmt::format("GET {}", url), *answer);
  const simdjson::padded_string padded(answer->body);
  simdjson::ondemand::parser parser;
  try {
    auto document = parser.iterate(padded);
    const Version version = read_version(document.get_object());
    if (version.distribution == "opensearch")
      return at_least(version.number, 2, 7) ? FlatType::kFlatObject : FlatType::kNone;
    if (at_least(version.number, 7, 8)) return FlatType::kFlattened;
    if (!version.number.empty()) {
      return Error{
          ErrorCode::kInvalid,
          fmt::format("--to {}: Elasticsearch {} has no composable index templates; use 7.8 "
                      "or later.",
                      url, version.number)};
    }
  } catch (const simdjson::simdjson_error&) {
    // Reported below.
  }
  return Error{
      ErrorCode::kInvalid,
      fmt::format("--to {}: the answer is neither OpenSearch's nor Elasticsearch's.", url)};
}

Result<http::Answer> SearchNode::ask_for(const std::string& what, const std::string& method,
                                         const std::string& target, std::string_view body,
                                         size_t answer_bytes_max) {
  Result<http::Answer> answer = ask(method, target, body, answer_bytes_max);
  if (!answer || answer->status == 200) return answer;
  if (answer->status == 404 && method != "PUT") return answer;
  if (comes_later(answer->status)) {
    return Error{ErrorCode::kRetryable, fmt::format("the server is not ready for {}: {}: {}", what,
                                                    answer->status, reason_of(answer->body))};
  }
  return refused(what, *answer);
}

// A service without data streams refuses the path; one that refuses the user refuses the template
// too, with better words.
Result<bool> SearchNode::is_data_stream(const std::string& name) {
  const Result<http::Answer> answer =
      ask("GET", "/_data_stream/" + http::escape_path(name), {}, kSmallAnswerBytes);
  if (!answer) return answer.error();
  if (comes_later(answer->status)) {
    return Error{ErrorCode::kRetryable, fmt::format("the server is not ready: {}: {}",
                                                    answer->status, reason_of(answer->body))};
  }
  return answer->status == 200;
}

Result<std::optional<int64_t>> SearchNode::template_version(const std::string& name) {
  const Result<http::Answer> answer =
      ask_for(fmt::format("Reading the index template {} (--no-template skips it)", name), "GET",
              template_path(name) + "?filter_path=index_templates.index_template.version", {},
              kSmallAnswerBytes);
  if (!answer) return answer.error();
  if (answer->status == 404) return std::optional<int64_t>();
  const simdjson::padded_string padded(answer->body);
  simdjson::ondemand::parser parser;
  int64_t version = 0;
  simdjson::ondemand::document document;
  if (!parser.iterate(padded).get(document))
    static_cast<void>(
        document.at_pointer("/index_templates/0/index_template/version").get(version));
  return std::optional(version);
}

Status SearchNode::put_template(const std::string& name, const std::string& body) {
  const Result<http::Answer> answer =
      ask_for(fmt::format("The index template {} (--no-template skips it)", name), "PUT",
              template_path(name), body, kSmallAnswerBytes);
  return answer ? ok() : Status(answer.error());
}

}  // namespace longshore::search
