// Tells whether a line is one JSON object, so that it may be embedded in a record as it stands.
#pragma once

#include <simdjson.h>

#include <string_view>

#include "shipper/record/chunk.h"

namespace longshore::shipper {

/// Thread: the lane's. Keeps the parser's memory from line to line.
class JsonObject {
 public:
  /// `line` without the white space around it if it is exactly one JSON object (RFC 8259), else
  /// empty. Stricter than the RFC in three places where other readers fail too: it refuses nesting
  /// deeper than 1,024, integers beyond 64 bits, and numbers beyond a double.
  std::string_view find(std::string_view line);

 private:
  simdjson::dom::parser parser_;
  Buffer padded_;  // simdjson reads a little past the end.
};

}  // namespace longshore::shipper
