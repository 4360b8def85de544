// Documents on their way to `_bulk`, with all that is needed to give each its own end.
//
//   body:  {"create":{"_index":"logs-app-2026.11.21","_id":"0123456789abcdef-4711"}}\n
//          {"@timestamp":...}\n
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "integrations/kafka/reader.h"

namespace longshore::search {

using PartitionKey = std::pair<std::string, int32_t>;  ///< Topic and partition.

/// One record of Kafka. Places are those of its bulk.
struct BulkItem {
  size_t action = 0, document = 0, end = 0;  ///< In the body; equal where it is not to be sent.
  size_t key = 0, key_bytes = 0;             ///< In originals.
  size_t value = 0, value_bytes = 0;         ///< In originals, or in the body
  bool value_in_body = false;                ///< when the document is the value as it came.
  uint32_t topic = 0;
  int32_t partition = 0;
  int64_t offset = 0;
  int64_t time_ms = 0;  ///< Of the event.
};

/// A record that no server will take, and why.
struct Rejection {
  uint32_t item = 0;
  int status = 0;  ///< The server's; 0: it was not asked.
  std::string reason;
};

/// Thread: one at a time; `cancelled` any.
class Bulk {
 public:
  /// Begins the item of `record`.
  BulkItem& add(const kafka::ReadRecord& record);

  std::string body;
  std::vector<BulkItem> items;
  std::vector<Rejection> rejections;
  std::atomic<bool> cancelled = false;  ///< Its partitions are another's: nobody waits for it.

  /// The offsets behind its last records.
  const std::map<PartitionKey, int64_t>& next_offsets() const { return next_; }
  const std::string& topic_of(const BulkItem& item) const { return topics_[item.topic]; }
  std::string_view action_of(const BulkItem& item) const;
  std::string_view key_of(const BulkItem& item) const;
  std::string_view value_of(const BulkItem& item) const;
  /// What keeps a record's value that the body does not hold.
  void keep_value(BulkItem& item, std::string_view value);
  size_t bytes() const { return body.size() + originals_.size(); }
  bool empty() const { return items.empty(); }

 private:
  std::string originals_;
  std::vector<std::string> topics_;
  std::map<PartitionKey, int64_t> next_;
  int64_t* last_next_ = nullptr;  // In next_: records come in runs of one partition.
};

}  // namespace longshore::search
