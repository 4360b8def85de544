// The server's answer to each item of a `_bulk` request.
#pragma once

#include <simdjson.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/result.h"

namespace longshore::search {

enum class Verdict : uint8_t {
  kCreated,   ///< 201.
  kThere,     ///< 409: it was created before.
  kLater,     ///< The server was not ready; nothing is wrong with the document: send it again.
  kRejected,  ///< This document will never be accepted.
};

struct ItemAnswer {
  Verdict verdict = Verdict::kCreated;
  int status = 0;
  std::string index;   ///< The index that it went to; empty unless the answer names it.
  std::string reason;  ///< "mapper_parsing_exception: ..."; shortened; empty if accepted.
};

/// What `status` and the error's type and reason mean for the item.
Verdict judge(int status, std::string_view type, std::string_view reason = {});

/// Whether "type: reason" is about the service's settings, such as a pipeline that is missing,
/// though the status 400 blames the document.
bool is_misconfigured(std::string_view reason);

/// Thread: one. Keeps its memory.
class BulkAnswerParser {
 public:
  /// The answers to `items` items, in their order. Errors: kCorrupt: not an answer to `_bulk`.
  Result<std::vector<ItemAnswer>> parse(std::string_view body, size_t items);

 private:
  simdjson::ondemand::parser parser_;
  std::string padded_;
};

/// The reason in the body of a search service's error: `error.type: error.reason`. None: the answer
/// came from something else, such as a proxy.
std::optional<std::string> service_reason(std::string_view body);

/// The same, or for other answers the title of the page, or the beginning of the text.
std::string reason_of(std::string_view body);

}  // namespace longshore::search
