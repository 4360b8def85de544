// Turns a record of Kafka into a document whose index and id follow from the record alone: indexing
// it again finds the same document.
//
//   id of ours:     0123456789abcdef-4711[-2]   source, start position, part
//   id of others':  logs+3+815                  topic, partition, offset
//
// Our records are stored unchanged; others as
//   {"@timestamp":T,"message":V,"kafka":{"topic":..,"partition":..,"offset":..[,"key":..]}}
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "integrations/kafka/reader.h"
#include "integrations/search/bulk.h"
#include "integrations/search/index_name.h"
#include "shipper/record/record_view.h"

namespace longshore::search {

/// A JSON object of this size or more is stored as text under `message`: servers refuse a value of
/// 32,766 bytes in a flattened field, and one record must not fill an index with names.
inline constexpr size_t kJsonBytesMax = 32'000;

struct DocumentOptions {
  IndexName index;
  int days_back = 31;         ///< See bounded_day().
  bool store_foreign = true;  ///< False: records that are not longshore's are rejected.
};

/// Thread: one.
class DocumentWriter {
 public:
  explicit DocumentWriter(DocumentOptions options) : options_(std::move(options)) {}

  /// Adds the record to `bulk`: as a document, or as a rejection.
  void add(const kafka::ReadRecord& record, Bulk& bulk);

  uint64_t foreign() const { return foreign_; }

 private:
  bool write_own(const kafka::ReadRecord& record, Bulk& bulk, BulkItem& item);
  void write_foreign(const kafka::ReadRecord& record, Bulk& bulk, BulkItem& item);
  void write_action(const kafka::ReadRecord& record, int64_t time_ms, std::string_view id,
                    Bulk& bulk, BulkItem& item);

  const DocumentOptions options_;
  shipper::RecordParser parser_;
  uint64_t foreign_ = 0;
  std::string id_;
  // The last index name, and the topic and day that it was made of.
  std::string index_, index_topic_;
  Day index_day_;
};

}  // namespace longshore::search
