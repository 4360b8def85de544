#include "shipper/record/record_view.h"

#include <string>

#include "shipper/record/record_encoder.h"

namespace longshore::shipper {

namespace {

using simdjson::ondemand::object;
using simdjson::ondemand::value;

// The fields that a record must have.
struct Seen {
  bool source = false, start = false, end = false, text = false;
};

uint32_t flag_of(std::string_view name) {
  if (name == "replaced") return kFlagReplaced;
  if (name == "not_json") return kFlagNotJson;
  if (name == "gap_before") return kFlagGapBefore;
  if (name == "late") return kFlagLate;
  if (name == "unterminated") return kFlagUnterminated;
  return 0;
}

// An error of simdjson is thrown from here on; parse() turns it into "not ours".

void read_own(object own, RecordView& record, Seen& seen) {
  for (auto field : own) {
    const std::string_view key = field.unescaped_key();
    if (key == "source") {
      const auto id = parse_source_id(std::string_view(field.value().get_string()));
      seen.source = id.has_value();
      if (id) record.source = *id;
    } else if (key == "name") {
      record.name = field.value().get_string();
    } else if (key == "start") {
      record.start.bytes = field.value().get_uint64();
      seen.start = true;
    } else if (key == "end") {
      record.end.bytes = field.value().get_uint64();
      seen.end = true;
    } else if (key == "part") {
      record.part = static_cast<uint32_t>(uint64_t(field.value().get_uint64()));
    } else if (key == "last_part") {
      record.last_part = field.value().get_bool();
    } else if (key == "flags") {
      for (auto flag : field.value().get_array()) record.flags |= flag_of(flag.get_string());
    }
  }
}

void read_named(object from, std::string_view wanted, std::string_view& out) {
  for (auto field : from) {
    const std::string_view key = field.unescaped_key();
    if (key == wanted) out = field.value().get_string();
  }
}

void read_log(object log, RecordView& record) {
  for (auto field : log) {
    const std::string_view key = field.unescaped_key();
    if (key == "file") read_named(field.value().get_object(), "path", record.path);
  }
}

void read_field(std::string_view key, value from, RecordView& record, Seen& seen) {
  if (key == "@timestamp") {
    record.time = from.get_string();
  } else if (key == "log") {
    read_log(from.get_object(), record);
  } else if (key == "host") {
    read_named(from.get_object(), "name", record.host);
  } else if (key == "container") {
    read_named(from.get_object(), "name", record.container);
  } else if (key == "longshore") {
    read_own(from.get_object(), record, seen);
  } else if (key == "message") {
    record.text = from.get_string();
    seen.text = true;
  } else if (key == "json") {
    object embedded = from.get_object();
    record.text = embedded.raw_json();
    record.embedded = seen.text = true;
  }
}

}  // namespace

bool is_own(const RecordView& record, std::string_view key) {
  return parse_source_id(key) == record.source;
}

std::optional<SourceId> raw_source_of(std::string_view key) {
  if (key.ends_with(kRawKeyEnd)) key.remove_suffix(kRawKeyEnd.size());
  return parse_source_id(key);
}

std::optional<RecordView> RecordParser::parse(std::string_view value) {
  if (value.empty() || value.front() != '{') return std::nullopt;
  padded_.reserve(value.size() + simdjson::SIMDJSON_PADDING);
  padded_.assign(value);
  RecordView record;
  Seen seen;
  try {
    document_ = parser_.iterate(padded_.data(), padded_.size(), padded_.capacity());
    for (auto field : document_.get_object()) {
      const std::string_view key = field.unescaped_key();
      read_field(key, field.value(), record, seen);
    }
  } catch (const simdjson::simdjson_error&) {
    return std::nullopt;
  }
  if (!seen.source || !seen.start || !seen.end || !seen.text) return std::nullopt;
  if (record.end < record.start) return std::nullopt;
  return record;
}

}  // namespace longshore::shipper
