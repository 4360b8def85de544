#include "integrations/search/document.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <cassert>
#include <optional>
#include <utility>

#include "config/time_text.h"
#include "integrations/search/old_indices.h"
#include "shipper/record/json_escape.h"

namespace longshore::search {
namespace {

using std::chrono::days;

constexpr int64_t kTimeMsEnd = 7'258'118'400'000;  // 2200-01-01: services end not much later.

uint64_t hash_of(std::string_view text, uint64_t seed) {
  return XXH3_64bits_withSeed(text.data(), text.size(), seed);
}

// Whether the scan found each field that the parser read: find_edits() needs their places.
bool is_whole(const shipper::RecordView& view, const ScannedRecord& scanned) {
  return scanned.own.end > 0 && (view.time.empty() || scanned.time.end > 0) &&
         (!view.embedded || scanned.json.end > 0);
}

}  // namespace

void DocumentWriter::write(const kafka::ReadRecord& record, Bulk& bulk, BulkItem& item) {
  refused_ = {};
  if (write_own(record, bulk, item)) return;
  foreign_ += 1;
  if (options_.store_foreign) {
    write_foreign(record, bulk, item);
  } else {
    item.time_ms = time_of(record).ms;
    bulk.rejections.push_back({static_cast<uint32_t>(bulk.items.size() - 1), 0,
                               "not a longshore record (--foreign dead-letter)"});
  }
  if (!item.value_in_body) bulk.keep_value(item, record.value);
}

Day DocumentWriter::today() const { return day_of_ms(clock_.wall_ns() / 1'000'000); }

// Kafka's time is the producer's. If it is given in micro- or nanoseconds, or is some other number,
// a day of its own for each record would fill the cluster with empty indices.
DocumentWriter::Time DocumentWriter::time_of(const kafka::ReadRecord& record) const {
  const Day last = today() + days(1), first = today() - days(options_.kafka_days_back);
  const auto is_likely = [&](int64_t ms) {
    return ms > 0 && ms < kTimeMsEnd && day_of_ms(ms) >= first && day_of_ms(ms) <= last;
  };
  const int64_t told = record.timestamp_ms;
  if (is_likely(told)) return {told, day_of_ms(told), false};
  if (told >= -1 && told < kTimeMsEnd) return {std::max<int64_t>(told, 0), Day(), false};
  for (const int64_t unit : {1'000, 1'000'000}) {
    if (is_likely(told / unit)) return {told / unit, day_of_ms(told / unit), true};
  }
  return {0, Day(), true};
}

// The index is that of the document's own day, unless that is too far from Kafka's.
DocumentWriter::Time DocumentWriter::own_time(const kafka::ReadRecord& record,
                                              std::string_view text) const {
  Time time = time_of(record);
  const std::optional<int64_t> ns = parse_rfc3339(text);
  time.refused = !ns && !text.empty();
  if (!ns) return time;
  time.ms = *ns / 1'000'000;
  const Day own = day_of_ms(time.ms), now = today();
  const bool is_known = time.day != Day();
  if (is_known) time.day = bounded_day(own, time.day, options_.days_back);
  if (!is_known && own <= now + days(1) && own >= now - days(options_.kafka_days_back))
    time.day = own;
  return time;
}

// Its index was deleted, or will be. The index of 1970-01-01 holds what is of unknown age, and
// stays.
bool DocumentWriter::leave_out(std::string_view topic, const Time& time, BulkItem& item) {
  if (options_.keep_days == 0 || time.day == Day()) return false;
  const Day first_kept = first_kept_day(options_.keep_days, clock_);
  if (time.day >= first_kept) return false;
  const IndexName& index = options_.index;
  const auto last = index.last_day(topic, index.render(topic, time.day));  // Of its month, perhaps.
  if (last && *last >= first_kept) return false;
  item.time_ms = time.ms;
  expired_ += 1;
  return true;
}

void DocumentWriter::write_action(std::string_view topic, const Time& time, std::string_view id,
                                  Bulk& bulk, BulkItem& item) {
  if (index_.empty() || time.day != index_day_ || topic != index_topic_) {
    index_ = options_.index.render(topic, time.day);
    index_topic_ = topic;
    index_day_ = time.day;
  }
  item.time_ms = time.ms;
  bulk.body += R"({"create":{"_index":")";
  bulk.body += index_;
  bulk.body += R"(","_id":")";
  bulk.body += id;
  bulk.body += "\"}}\n";
  item.document = bulk.body.size();
}

// A log that was forgotten begins at 0 again under the same source: the text tells its lines apart,
// and the day those of the same text. A line that is shipped twice keeps its id.
void DocumentWriter::make_own_id(const shipper::RecordView& view, Day day) {
  id_.clear();
  const auto out = std::back_inserter(id_);
  fmt::format_to(out, "{:016x}-{}", view.source.value, view.start.bytes);
  if (view.part) fmt::format_to(out, "-{}", *view.part);
  plain_id_bytes_ = id_.size();
  if (options_.ids == 1) return;
  const auto seed = static_cast<uint64_t>(day.time_since_epoch().count());
  fmt::format_to(out, ".{:08x}", static_cast<uint32_t>(hash_of(view.text, seed)));
}

// A topic that is made anew begins at offset 0 again, and another cluster has the same names.
void DocumentWriter::make_foreign_id(const kafka::ReadRecord& record) {
  id_.clear();
  const auto out = std::back_inserter(id_);
  fmt::format_to(out, "{}+{}+{}", record.topic, record.partition, record.offset);
  plain_id_bytes_ = id_.size();
  if (options_.ids == 1) return;
  const uint64_t place = hash_of(cluster_, static_cast<uint64_t>(record.timestamp_ms));
  fmt::format_to(out, ".{:016x}", hash_of(record.value, hash_of(record.key, place)));
}

// The field "number" with those that are asked for; empty if there are none. A flattened field
// compares text, in which 99 is more than 500.
std::string DocumentWriter::numbers_of(const shipper::RecordView& view) {
  std::string fields;
  padded_.reserve(view.text.size() + simdjson::SIMDJSON_PADDING);
  padded_.assign(view.text);
  for (const std::string& path : options_.numbers) {
    simdjson::ondemand::document document;
    simdjson::ondemand::object object;
    simdjson::ondemand::value value;
    if (json_parser_.iterate(padded_.data(), padded_.size(), padded_.capacity()).get(document) ||
        document.get_object().get(object))
      return {};
    std::string_view rest = path;
    bool found = !object.find_field_unordered(rest.substr(0, rest.find('.'))).get(value);
    while (found && rest.find('.') != std::string_view::npos) {
      rest.remove_prefix(rest.find('.') + 1);
      found = !value.find_field_unordered(rest.substr(0, rest.find('.'))).get(value);
    }
    double number = 0;
    if (!found || value.get_double().get(number)) continue;
    fields += fmt::format("{}{}:{}", fields.empty() ? "" : ",", shipper::json_string(path), number);
  }
  return fields.empty() ? fields : "\"number\":{" + fields + "},";
}

// Fills edits_ with what the document has in place of the record's text.
void DocumentWriter::find_edits(const shipper::RecordView& view, const ScannedRecord& scanned,
                                const Time& time) {
  edits_.clear();
  std::string notes;
  if (scanned.inside != JsonFault::kNone) {
    notes += fmt::format(R"(,"json_refused":"{}")", to_string(scanned.inside));
    edits_.push_back(
        {scanned.json.name, scanned.json.end, "\"message\":" + shipper::json_string(view.text)});
  }
  if (time.refused) {
    notes += ",\"time_refused\":" + shipper::json_string(view.time);
    edits_.push_back({scanned.time.begin, scanned.time.end, '"' + utc_text_of_ms(time.ms) + '"'});
  }
  if (view.time.empty()) {
    const std::string field = fmt::format(R"("@timestamp":"{}")", utc_text_of_ms(time.ms));
    if (scanned.time.end > 0) {
      edits_.push_back({scanned.time.name, scanned.time.end, field});
    } else {
      edits_.push_back({1, 1, field + ","});
    }
  }
  if (!options_.numbers.empty() && view.embedded && scanned.inside == JsonFault::kNone) {
    if (std::string numbers = numbers_of(view); !numbers.empty())
      edits_.push_back({1, 1, std::move(numbers)});
  }
  if (!notes.empty()) edits_.push_back({scanned.own.end - 1, scanned.own.end - 1, notes});
  std::sort(edits_.begin(), edits_.end(), [](const Edit& a, const Edit& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
}

void DocumentWriter::write_edited(std::string_view value, std::string& body) {
  size_t from = 0;
  for (const Edit& edit : edits_) {
    assert(edit.begin >= from && edit.end <= value.size());
    body += value.substr(from, edit.begin - from);
    body += edit.text;
    from = edit.end;
  }
  body += value.substr(from);
}

bool DocumentWriter::write_own(const kafka::ReadRecord& record, Bulk& bulk, BulkItem& item) {
  const std::string_view value = record.value;
  const std::optional<shipper::RecordView> view = parser_.parse(value);
  if (!view) return false;
  const ScannedRecord scanned = scan_.scan(value);
  if (!shipper::is_own(*view, record.key)) {
    refused_ = "key";
  } else if (value.find('\n') != std::string_view::npos) {
    // Valid JSON may hold a line feed between tokens. In a _bulk body it would end the document,
    // and the server would take the rest for an action.
    refused_ = "line_feed";
  } else {
    refused_ = to_string(scanned.outside);
    if (refused_.empty() && !is_whole(*view, scanned)) refused_ = to_string(JsonFault::kMalformed);
  }
  if (!refused_.empty()) return false;
  const Time time = own_time(record, view->time);
  if (leave_out(record.topic, time, item)) return true;
  make_own_id(*view, time.day);
  find_edits(*view, scanned, time);
  write_action(record.topic, time, id_, bulk, item);
  if (edits_.empty()) {
    item.value = item.document;
    item.value_bytes = value.size();
    item.value_in_body = true;
  }
  write_edited(value, bulk.body);
  bulk.body += '\n';
  item.end = bulk.body.size();
  if (!item.value_in_body) bulk.keep_value(item, value);
  return true;
}

void DocumentWriter::write_foreign(const kafka::ReadRecord& record, Bulk& bulk, BulkItem& item) {
  const Time time = time_of(record);
  if (leave_out(record.topic, time, item)) return;
  make_foreign_id(record);
  write_action(record.topic, time, id_, bulk, item);
  bulk.body += fmt::format(R"({{"@timestamp":"{}","message":)", utc_text_of_ms(time.ms));
  bulk.body += shipper::json_string(record.value);
  bulk.body += fmt::format(R"(,"kafka":{{"topic":"{}","partition":{},"offset":{})", record.topic,
                           record.partition, record.offset);
  if (!record.key.empty()) bulk.body += ",\"key\":" + shipper::json_string(record.key);
  if (time.refused) bulk.body += fmt::format(R"(,"time_refused":"{}")", record.timestamp_ms);
  if (!refused_.empty()) bulk.body += fmt::format(R"(,"refused":"{}")", refused_);
  bulk.body += "}}\n";
  item.end = bulk.body.size();
}

}  // namespace longshore::search
