// What a server says of each item of a `_bulk` request.
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
  kLater,     ///< The server, not the document, is the reason: send it again.
  kRejected,  ///< This document will never be taken.
};

struct ItemAnswer {
  Verdict verdict = Verdict::kCreated;
  int status = 0;
  std::string index;   ///< Where it went; empty unless the answer names it.
  std::string reason;  ///< "mapper_parsing_exception: ..."; shortened; empty if it was taken.
};

/// What `status` and the error's type mean for the item.
Verdict judge(int status, std::string_view type);

/// Thread: one. Keeps its memory.
class BulkAnswerParser {
 public:
  /// The answers to `items` items, in their order. Errors: kCorrupt: this is no such answer.
  Result<std::vector<ItemAnswer>> parse(std::string_view body, size_t items);

 private:
  simdjson::ondemand::parser parser_;
  std::string padded_;
};

/// The sentence in the error's body of a search service: `error.type: error.reason`. None: whoever
/// answered is another, such as a proxy before it.
std::optional<std::string> service_reason(std::string_view body);

/// The same; of another's answer its title, or its beginning as it stands.
std::string reason_of(std::string_view body);

}  // namespace longshore::search
