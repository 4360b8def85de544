// The search service as one client of it sees it: several nodes, of which the one that answers is
// asked.
#pragma once

#include <atomic>
#include <string>
#include <string_view>
#include <vector>

#include "config/result.h"
#include "integrations/http/client.h"
#include "integrations/search/index_template.h"

namespace longshore::search {

struct SearchOptions {
  std::vector<std::string> urls;  ///< Checked; without a final slash.
  http::Access access;
  bool gzip = false;
  long timeout_ms = 120'000;  ///< Of one request.
};

/// What the operator can do about an answer that refuses us: " (...)"; empty where it says that.
std::string remedy_of(const http::Answer& answer);

/// Thread: one. Requests end soon after `*stop`.
class SearchNode {
 public:
  SearchNode(const SearchOptions& options, const std::atomic<bool>* stop)
      : options_(options), client_(options.access, stop) {}

  /// Asks the next node after an error, or an answer of 502 to 504. Errors: http::Client's.
  Result<http::Answer> ask(const std::string& method, const std::string& target,
                           std::string_view body, size_t answer_bytes_max);

  /// What GET / says. Errors: kRetryable; kInvalid: not a search service, or not for us.
  Result<FlatType> find_type();

  /// Errors: kRetryable; kInvalid: the server refuses it.
  Status put_template(const std::string& name, const std::string& body);

 private:
  const SearchOptions options_;
  http::Client client_;
  size_t node_ = 0;
  std::string packed_;
};

}  // namespace longshore::search
