// Reads one record of the ledger topic, in which agents say what became of the bytes of a source:
//
//   {"@timestamp":"...","host":{"name":"h"},"container":{"id":"...","name":"..."},
//    "log":{"file":{"path":"/app/x.log"}},
//    "longshore":{"source":"0123456789abcdef","name":"access","topic":"logs","lane":0,
//                 "event":"lost","reason":"truncated","generation":0,"start":0,"end":17,
//                 "detail":"..."}}
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
  SourceId source;  ///< 0: it speaks of all sources of a lane.
  uint64_t lane = 0;
  LedgerEvent event = LedgerEvent::kOpened;
  Position start, end;
  std::string_view name, topic, path, container, host, reason, detail;
};

/// Thread: one. Keeps its memory from record to record.
class LedgerParser {
 public:
  /// Empty when `value` is no entry of the ledger. Fields that it does not know are passed over.
  std::optional<LedgerView> parse(std::string_view value);

 private:
  simdjson::dom::parser parser_;
};

}  // namespace longshore::shipper
