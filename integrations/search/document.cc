#include "integrations/search/document.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "config/time_text.h"
#include "shipper/record/json_escape.h"

namespace longshore::search {
namespace {

// 0 if Kafka has no time either: a document needs one.
int64_t kafka_ms(const kafka::ReadRecord& record) {
  return std::max<int64_t>(record.timestamp_ms, 0);
}

}  // namespace

void DocumentWriter::add(const kafka::ReadRecord& record, Bulk& bulk) {
  BulkItem& item = bulk.add(record);
  if (write_own(record, bulk, item)) return;
  foreign_ += 1;
  if (options_.store_foreign) {
    write_foreign(record, bulk, item);
  } else {
    item.time_ms = kafka_ms(record);
    bulk.rejections.push_back({static_cast<uint32_t>(bulk.items.size() - 1), 0,
                               "not a longshore record (--foreign dead-letter)"});
  }
  if (!item.value_in_body) bulk.keep_value(item, record.value);
}

// The index is that of the document's own day, unless that is too far from Kafka's.
void DocumentWriter::write_action(const kafka::ReadRecord& record, int64_t time_ms,
                                  std::string_view id, Bulk& bulk, BulkItem& item) {
  const Day day = bounded_day(day_of_ms(time_ms), day_of_ms(kafka_ms(record)), options_.days_back);
  if (index_.empty() || day != index_day_ || record.topic != index_topic_) {
    index_ = options_.index.render(record.topic, day);
    index_topic_ = record.topic;
    index_day_ = day;
  }
  item.time_ms = time_ms;
  bulk.body += R"({"create":{"_index":")";
  bulk.body += index_;
  bulk.body += R"(","_id":")";
  bulk.body += id;
  bulk.body += "\"}}\n";
  item.document = bulk.body.size();
}

bool DocumentWriter::write_own(const kafka::ReadRecord& record, Bulk& bulk, BulkItem& item) {
  const std::string_view value = record.value;
  // Valid JSON may hold a line feed between tokens. In a _bulk body it would end the document, and
  // the server would take the rest for an action.
  if (value.find('\n') != std::string_view::npos) return false;
  const std::optional<shipper::RecordView> view = parser_.parse(value);
  if (!view) return false;
  // Our encoder writes the object as the last field.
  constexpr std::string_view kField = "\"json\":";
  const size_t tail = kField.size() + view->text.size() + 1;
  const bool as_text = view->embedded && view->text.size() >= kJsonBytesMax;
  if (as_text && (value.size() < tail || !value.substr(value.size() - tail).starts_with(kField)))
    return false;
  id_.clear();
  fmt::format_to(std::back_inserter(id_), "{:016x}-{}", view->source.value, view->start.bytes);
  if (view->part) fmt::format_to(std::back_inserter(id_), "-{}", *view->part);
  const auto time_ns = parse_rfc3339(view->time);
  const int64_t time_ms = time_ns ? *time_ns / 1'000'000 : kafka_ms(record);
  write_action(record, time_ms, id_, bulk, item);
  if (view->time.empty()) {
    bulk.body += fmt::format(R"({{"@timestamp":"{}",)", utc_text_of_ms(time_ms));
    bulk.body += value.substr(value.find('{') + 1);
  } else if (as_text) {
    bulk.body += value.substr(0, value.size() - tail);
    bulk.body += "\"message\":" + shipper::json_string(view->text) + "}";
  } else {
    item.value = item.document;
    item.value_bytes = value.size();
    item.value_in_body = true;
    bulk.body += value;
  }
  bulk.body += '\n';
  item.end = bulk.body.size();
  if (!item.value_in_body) bulk.keep_value(item, value);
  return true;
}

void DocumentWriter::write_foreign(const kafka::ReadRecord& record, Bulk& bulk, BulkItem& item) {
  const int64_t time_ms = kafka_ms(record);
  id_.clear();
  fmt::format_to(std::back_inserter(id_), "{}+{}+{}", record.topic, record.partition,
                 record.offset);
  write_action(record, time_ms, id_, bulk, item);
  bulk.body += fmt::format(R"({{"@timestamp":"{}","message":)", utc_text_of_ms(time_ms));
  bulk.body += shipper::json_string(record.value);
  bulk.body += fmt::format(R"(,"kafka":{{"topic":"{}","partition":{},"offset":{})", record.topic,
                           record.partition, record.offset);
  if (!record.key.empty()) bulk.body += ",\"key\":" + shipper::json_string(record.key);
  bulk.body += "}}\n";
  item.end = bulk.body.size();
}

}  // namespace longshore::search
