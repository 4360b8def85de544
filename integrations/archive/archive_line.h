// One record as one line of an archive.
//
// The value of a longshore record is its line, unchanged but for line breaks between tokens, and so
// is any other JSON object. Anything else (format raw, text, bytes) is wrapped:
//
//   {"@timestamp":"2026-11-21T14:00:00.123Z","message":"...",
//    "kafka":{"topic":"logs","partition":3,"offset":10500,"key":"..."}}
//
// with "message_base64" instead of "message" where the bytes are not UTF-8. So is an object that
// looks like one of longshore's under another key: readers of the archive have no keys to tell.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "integrations/kafka/reader.h"
#include "shipper/record/chunk.h"
#include "shipper/record/json_object.h"
#include "shipper/record/ledger_view.h"
#include "shipper/record/record_view.h"

namespace longshore::archive {

/// Thread: one. Reuses its memory from line to line.
class LineWriter {
 public:
  /// Appends the line, newline included. It has no other line break.
  void append(const kafka::ReadRecord& record, std::string& out);

 private:
  std::string_view object_of(const kafka::ReadRecord& record);

  shipper::RecordParser parser_;
  shipper::LedgerParser ledger_;
  shipper::JsonObject json_;
  shipper::Buffer escaped_;
};

/// A line read back.
struct LineView {
  std::optional<shipper::RecordView> record;  ///< Empty: not longshore's.
  std::string_view time;                      ///< "@timestamp"; empty if there is none.
  std::string_view text;                      ///< The message, or the whole line.
};

/// Thread: one. Views are valid until the next call.
class LineReader {
 public:
  /// `line` without its newline.
  LineView parse(std::string_view line);

 private:
  shipper::RecordParser own_;
  simdjson::ondemand::parser foreign_;
  simdjson::ondemand::document document_;
  std::string padded_, decoded_;
};

}  // namespace longshore::archive
