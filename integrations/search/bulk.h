// Documents for one or more `_bulk` requests, with what is needed to settle each of them.
//
//   body:  {"create":{"_index":"logs-app-2026.11.21","_id":"0123456789abcdef-4711"}}\n
//          {"@timestamp":...}\n
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "integrations/kafka/outlet.h"

namespace longshore::search {

/// One record of Kafka. Numbers are places in its bulk.
struct BulkItem {
  size_t action = 0, document = 0, end = 0;  ///< In the body; equal if it is not to be sent.
  size_t key = 0, key_bytes = 0;             ///< In originals.
  size_t value = 0, value_bytes = 0;         ///< In originals,
  bool value_in_body = false;                ///< or in the body if the document is the value.
  uint32_t topic = 0;
  int32_t partition = 0;
  int64_t offset = 0;
  int64_t time_ms = 0;   ///< Of the event.
  int64_t kafka_ms = 0;  ///< Kafka's, as it is.
};

/// A record that no server will accept, and why.
struct Rejection {
  uint32_t item = 0;
  int status = 0;  ///< The server's; 0: it was not sent.
  std::string reason;
};

/// Thread: one at a time; `cancelled` any.
class Bulk {
 public:
  /// Adds an item for `record`, with an empty action and document.
  BulkItem& add(const kafka::ReadRecord& record);

  std::string body;
  std::vector<BulkItem> items;
  std::vector<Rejection> rejections;
  std::vector<Rejection> parked;  ///< Items that the service does not take now: to be read again.
  uint64_t number = 0;            ///< Ascending in the order of reading.
  std::atomic<bool> cancelled = false;  ///< Its partitions were reassigned: stop sending it.

  /// For each partition the offset after its last record, or what hold() made of it.
  const kafka::Offsets& next_offsets() const { return next_; }
  /// Nothing from `offset` on is done of this partition. kNothing: what this bulk says of it does
  /// not count.
  void hold(const kafka::PartitionKey& partition, int64_t offset);
  static constexpr int64_t kNothing = -1;

  /// Items behind `offset` are read again, whatever became of them: a record there is parked.
  void hold_behind(const kafka::PartitionKey& partition, int64_t offset);
  static constexpr int64_t kOpen = INT64_MAX;
  bool is_held(const BulkItem& item) const;

  const std::string& topic_of(const BulkItem& item) const { return topics_[item.topic]; }
  kafka::PartitionKey partition_of(const BulkItem& item) const {
    return {topic_of(item), item.partition};
  }
  std::string_view action_of(const BulkItem& item) const;
  std::string_view key_of(const BulkItem& item) const;
  std::string_view value_of(const BulkItem& item) const;
  /// Gives the last item another action, which ends with a line feed.
  void set_action(BulkItem& item, std::string_view action);
  /// Takes the document of the last item back: it is not to be sent.
  void withdraw(BulkItem& item);
  /// Keeps a record's value that the body does not hold.
  void keep_value(BulkItem& item, std::string_view value);
  size_t bytes() const { return body.size() + originals_.size(); }
  bool empty() const { return items.empty(); }

 private:
  std::string originals_;
  std::vector<std::string> topics_;
  kafka::Offsets next_, held_behind_;
  int64_t* last_next_ = nullptr;  // In next_: records come in runs of one partition.
};

}  // namespace longshore::search
