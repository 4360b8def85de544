// One record as one line of an archive.
//
// The value of a longshore record is its line, unchanged, and so is any other JSON object without
// line feeds. Anything else (format raw, text, bytes) is wrapped:
//
//   {"@timestamp":"2026-11-21T14:00:00.123Z","message":"...",
//    "kafka":{"topic":"logs","partition":3,"offset":10500,"key":"..."}}
//
// with "message_base64" instead of "message" where the bytes are not UTF-8.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "integrations/kafka/reader.h"
#include "shipper/record/chunk.h"
#include "shipper/record/json_object.h"
#include "shipper/record/record_view.h"

namespace longshore::archive {

/// Thread: one. Reuses its memory from line to line.
class LineWriter {
 public:
  /// Whether `record` is one of longshore's, with its envelope.
  bool is_own(const kafka::ReadRecord& record);
  /// Appends the line, newline included.
  void append(const kafka::ReadRecord& record, bool own, std::string& out);

 private:
  shipper::RecordParser parser_;
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
