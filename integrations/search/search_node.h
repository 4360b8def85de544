// A client of the search service: sends each request to the node that answered last, and moves on
// to the next node when one fails.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/result.h"
#include "integrations/http/client.h"
#include "integrations/http/gzip.h"
#include "integrations/search/index_template.h"

namespace longshore::search {

struct SearchOptions {
  std::vector<std::string> urls;  ///< Checked; without a final slash.
  http::Access access;
  bool gzip = false;
  long timeout_ms = 120'000;  ///< Of one request.
};

/// What the operator can do about an answer that refuses us, as " (...)"; may be empty.
std::string remedy_of(const http::Answer& answer);

/// Thread: one. Requests end soon after `*stop` is true.
class SearchNode {
 public:
  SearchNode(const SearchOptions& options, const std::atomic<bool>* stop)
      : options_(options), client_(options.access, stop) {}

  /// After an error, or an answer of 502 to 504, the next call asks the next node.
  /// Errors: http::Client's.
  /// `timeout_ms` 0: that of the options.
  Result<http::Answer> ask(const std::string& method, const std::string& target,
                           std::string_view body, size_t answer_bytes_max, long timeout_ms = 0);

  /// Decided by the version in GET /. Errors: kRetryable; kInvalid: not a search service, or access
  /// refused.
  Result<FlatType> find_type();

  /// The same, where only 200, or 404 to a GET or DELETE, is an answer. `what` is the object of
  /// "is not ready for" and the subject of "was refused". Errors: kRetryable: it may be given
  /// later; kInvalid: the server refuses it; kFull.
  Result<http::Answer> ask_for(const std::string& what, const std::string& method,
                               const std::string& target, std::string_view body,
                               size_t answer_bytes_max);

  /// Whether `name` is a data stream; services without data streams have none. Errors: ask_for()'s.
  Result<bool> is_data_stream(const std::string& name);

  /// The version of an index template; 0 if it has none, nothing if there is no such template.
  /// Errors: ask_for()'s.
  Result<std::optional<int64_t>> template_version(const std::string& name);

  /// Errors: ask_for()'s.
  Status put_template(const std::string& name, const std::string& body);

 private:
  const SearchOptions options_;
  http::Client client_;
  size_t node_ = 0;
  http::Gzip gzip_{1};  // Fast rather than small.
  std::string packed_;
};

}  // namespace longshore::search
