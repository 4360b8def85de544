// Reads a record back: the inverse of shipper/record/record_encoder.h, which draws the format.
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <optional>
#include <string_view>

#include "config/ids.h"

namespace longshore::shipper {

/// One record of longshore. Strings are unescaped, and valid until the parser's next call.
struct RecordView {
  SourceId source;
  Position start, end;
  std::string_view time, name, path, host, container;
  std::string_view text;  ///< The message, or with `embedded` the JSON object as written.
  bool embedded = false;
  std::optional<uint32_t> part;
  bool last_part = false;
  uint32_t flags = 0;  ///< RecordFlag.
};

/// Whether a record with this Kafka key is longshore's own: the key is the source that its envelope
/// names. The agent sets the key and a container cannot, so a `raw` line that looks like another
/// source's record is none. Every consumer asks this before it believes an envelope.
bool is_own(const RecordView& record, std::string_view key);
/// The log of a `raw` record. Its key is none of a record with an envelope, so a raw line cannot
/// give its own log another container's name; older agents used the same key for both. Empty: the
/// key is not one of ours.
std::optional<SourceId> raw_source_of(std::string_view key);

/// Thread: one. Keeps its memory from record to record.
class RecordParser {
 public:
  /// Empty if `value` is not a record with our envelope: `raw` records, and those of other
  /// producers. Fields may come in any order; unknown ones are ignored.
  std::optional<RecordView> parse(std::string_view value);

 private:
  simdjson::ondemand::parser parser_;
  simdjson::ondemand::document document_;
  std::string padded_;  // simdjson reads a little past the end.
};

}  // namespace longshore::shipper
