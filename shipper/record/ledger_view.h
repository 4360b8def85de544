// Reads a record of the ledger topic: the inverse of shipper/record/ledger_record.h, which draws
// the format.
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <optional>
#include <string_view>

#include "config/ids.h"
#include "config/ledger.h"

namespace longshore::shipper {

/// Strings are unescaped, and valid until the parser's next call.
struct LedgerView {
  SourceId source;  ///< 0: the entry is about all sources of a lane.
  uint64_t lane = 0;
  LedgerEvent event = LedgerEvent::kOpened;
  uint64_t count = 0;  ///< Of a refusal.
  Position start, end;
  std::string_view name, topic, path, container, host, reason, detail;
};

/// Whether an entry with this Kafka key is an agent's own, as is_own() of record_view.h.
bool is_own(const LedgerView& entry, std::string_view key);

/// Thread: one. Keeps its memory from record to record.
class LedgerParser {
 public:
  /// Empty if `value` is not an entry of the ledger. Unknown fields are ignored.
  std::optional<LedgerView> parse(std::string_view value);

 private:
  simdjson::dom::parser parser_;
};

}  // namespace longshore::shipper
