// Turns a record of Kafka into a document whose index and id follow from the record: indexing it
// again finds the same document. One thing more takes part, the day on which it is indexed: a
// record that has left --kafka-day-within since then goes into the index of 1970-01-01.
//
//   id of ours:     0123456789abcdef-4711[-2].89abcdef   source, start position, part; a hash of
//                                                        the text and of the UTC day of its index
//   id of others':  logs+3+815.0123456789abcdef          topic, partition, offset; a hash of the
//                                                        cluster's id, Kafka's time, key and value
//   With --ids 1 both end before the dot, as in indices that were made before the hash.
//
// A record is ours if its key is the source that it names (shipper::is_own). Ours are stored
// unchanged, but for what a service could not bear: JSON over the limits of RecordScan becomes
// text, and a time out of 1970 to 2200 becomes Kafka's.
//   {"number":{"status":500},...,"json":{"status":500}}     as --number json.status asks for
//   {...,"longshore":{...,"json_refused":"depth","time_refused":"9999-..."},"message":"{...}"}
// Others are stored as
//   {"@timestamp":T,"message":V,"kafka":{"topic":..,"partition":..,"offset":..[,"key":..]
//    [,"time_refused":"1795262400000000000"][,"refused":"key"]}}
// where "refused" tells why a record with our envelope is not believed.
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "config/clock.h"
#include "integrations/kafka/reader.h"
#include "integrations/search/bulk.h"
#include "integrations/search/index_name.h"
#include "integrations/search/record_scan.h"
#include "shipper/record/record_view.h"

namespace longshore::search {

struct DocumentOptions {
  IndexName index;
  int days_back = 31;         ///< See bounded_day().
  bool store_foreign = true;  ///< False: records that are not longshore's are rejected.
  int kafka_days_back = 366;  ///< A record older than that goes into the index of 1970-01-01.
  int ids = 2;                ///< Their form: 1 or 2.
  /// Numbers at these paths in "json" are repeated under "number": {"http.status"}.
  std::vector<std::string> numbers = {};
  int keep_days = 0;  ///< Records of earlier days are left out; 0: none.
};

/// Adds records to bulks: as they stand in Kafka, or as their dead letters tell. Thread: one.
class RecordWriter {
 public:
  virtual ~RecordWriter() = default;

  /// The cluster whose records follow.
  virtual void set_cluster(std::string id) = 0;

  /// Adds the record to `bulk`: as a document, or as a rejection.
  virtual void add(const kafka::ReadRecord& record, Bulk& bulk) = 0;

  virtual uint64_t foreign() const = 0;
  /// Records that were left out because their day is no longer kept. Their items are not sent.
  virtual uint64_t expired() const { return 0; }
};

/// Thread: one.
class DocumentWriter final : public RecordWriter {
 public:
  /// `clock` outlives it.
  DocumentWriter(DocumentOptions options, const Clock& clock)
      : options_(std::move(options)), clock_(clock) {}

  void set_cluster(std::string id) override { cluster_ = std::move(id); }
  void add(const kafka::ReadRecord& record, Bulk& bulk) override {
    write(record, bulk, bulk.add(record));
  }
  uint64_t foreign() const override { return foreign_; }
  uint64_t expired() const override { return expired_; }

  /// The same, for an item that `bulk` has already, its last.
  void write(const kafka::ReadRecord& record, Bulk& bulk, BulkItem& item);

  /// The id of the last document without the hash.
  std::string_view plain_id() const { return std::string_view(id_).substr(0, plain_id_bytes_); }

 private:
  struct Time {
    int64_t ms = 0;  // For the document.
    Day day;         // For the index.
    bool refused = false;
  };
  struct Edit {
    size_t begin = 0, end = 0;
    std::string text;
  };

  bool write_own(const kafka::ReadRecord& record, Bulk& bulk, BulkItem& item);
  void write_foreign(const kafka::ReadRecord& record, Bulk& bulk, BulkItem& item);
  void write_action(std::string_view topic, const Time& time, std::string_view id, Bulk& bulk,
                    BulkItem& item);
  void write_edited(std::string_view value, std::string& body);
  Time time_of(const kafka::ReadRecord& record) const;
  Time own_time(const kafka::ReadRecord& record, std::string_view text) const;
  void make_own_id(const shipper::RecordView& view, Day day);
  void make_foreign_id(const kafka::ReadRecord& record);
  void find_edits(const shipper::RecordView& view, const ScannedRecord& scanned, const Time& time);
  std::string numbers_of(const shipper::RecordView& view);
  Day today() const;
  bool leave_out(std::string_view topic, const Time& time, BulkItem& item);

  const DocumentOptions options_;
  const Clock& clock_;
  std::string cluster_;
  shipper::RecordParser parser_;
  RecordScan scan_;
  simdjson::ondemand::parser json_parser_;
  std::string padded_;
  std::vector<Edit> edits_;   // Of the record in hand, ascending.
  std::string_view refused_;  // Why its envelope is not believed.
  uint64_t foreign_ = 0, expired_ = 0;
  std::string id_;
  size_t plain_id_bytes_ = 0;
  // The last index name, and the topic and day that it was made of.
  std::string index_, index_topic_;
  Day index_day_;
};

}  // namespace longshore::search
