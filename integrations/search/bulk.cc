#include "integrations/search/bulk.h"

#include <algorithm>

namespace longshore::search {

BulkItem& Bulk::add(const kafka::ReadRecord& record) {
  const BulkItem* const last = items.empty() ? nullptr : &items.back();
  BulkItem item;
  if (last && topic_of(*last) == record.topic) {
    item.topic = last->topic;
  } else {
    const auto known = std::find(topics_.begin(), topics_.end(), record.topic);
    item.topic = static_cast<uint32_t>(known - topics_.begin());
    if (known == topics_.end()) topics_.emplace_back(record.topic);
  }
  if (!last || last->topic != item.topic || last->partition != record.partition)
    last_next_ = &next_[{std::string(record.topic), record.partition}];
  *last_next_ = record.offset + 1;
  item.partition = record.partition;
  item.offset = record.offset;
  item.kafka_ms = record.timestamp_ms;
  item.action = item.document = item.end = body.size();
  item.key = originals_.size();
  item.key_bytes = record.key.size();
  originals_ += record.key;
  return items.emplace_back(item);
}

void Bulk::hold(const kafka::PartitionKey& partition, int64_t offset) {
  const auto at = next_.find(partition);
  if (at != next_.end()) at->second = offset;
}

void Bulk::hold_behind(const kafka::PartitionKey& partition, int64_t offset) {
  if (offset == kOpen || !next_.contains(partition)) return;
  const auto [at, fresh] = held_behind_.try_emplace(partition, offset);
  at->second = std::min(at->second, offset);
}

bool Bulk::is_held(const BulkItem& item) const {
  if (held_behind_.empty()) return false;
  const auto at = held_behind_.find(partition_of(item));
  return at != held_behind_.end() && item.offset > at->second;
}

void Bulk::set_action(BulkItem& item, std::string_view action) {
  const size_t before = item.document - item.action;
  body.replace(item.action, before, action);
  item.document = item.action + action.size();
  item.end = body.size();
  if (item.value_in_body) item.value = item.document;
}

void Bulk::withdraw(BulkItem& item) {
  body.resize(item.action);
  item.document = item.end = item.action;
  item.value_in_body = false;
  item.value_bytes = 0;
}

void Bulk::keep_value(BulkItem& item, std::string_view value) {
  item.value = originals_.size();
  item.value_bytes = value.size();
  item.value_in_body = false;
  originals_ += value;
}

std::string_view Bulk::action_of(const BulkItem& item) const {
  return std::string_view(body).substr(item.action, item.document - item.action);
}

std::string_view Bulk::key_of(const BulkItem& item) const {
  return std::string_view(originals_).substr(item.key, item.key_bytes);
}

std::string_view Bulk::value_of(const BulkItem& item) const {
  return std::string_view(item.value_in_body ? body : originals_)
      .substr(item.value, item.value_bytes);
}

}  // namespace longshore::search
