#include "shipper/record/ledger_record.h"

#include <cstring>
#include <nlohmann/json.hpp>

#include "config/time_text.h"
#include "shipper/record/json_text.h"

namespace longshore::shipper {
namespace {

constexpr size_t kKeyBytes = 16;  // Stands before each value in the arena.

const char* word_of(LedgerEvent event) {
  constexpr const char* kWords[] = {"opened", "closed", "ended", "lost", "doubt", "refused"};
  return kWords[static_cast<size_t>(event)];
}

}  // namespace

void append_ledger_record(const LedgerEntry& entry, const Envelope& about, const std::string& topic,
                          Chunk& chunk) {
  using Json = nlohmann::ordered_json;
  const std::string key = to_string(entry.source);
  Json record;
  record["@timestamp"] = utc_text_of_ms(entry.time_ns / 1'000'000);
  record["host"]["name"] = about.host_name;
  if (!about.container_id.empty())
    record["container"] = {{"id", about.container_id}, {"name", about.container_name}};
  if (!about.path.empty()) record["log"]["file"]["path"] = about.path;
  Json& own = record["longshore"];
  own["source"] = key;
  own["name"] = about.name;
  if (!topic.empty()) own["topic"] = topic;
  own["lane"] = entry.lane.value;
  own["event"] = word_of(entry.event);
  if (!entry.reason.empty()) own["reason"] = entry.reason;
  if (entry.event == LedgerEvent::kRefused) own["count"] = entry.refused.count;
  own["generation"] = entry.generation;
  own["start"] = entry.start.bytes;
  own["end"] = entry.end.bytes;
  if (!entry.detail.empty()) own["detail"] = entry.detail;
  const std::string value = json_text(record);

  rd_kafka_message_t message{};
  message.offset = static_cast<int64_t>(chunk.encoded.size());
  message.len = value.size();
  chunk.encoded.resize(chunk.encoded.size() + kKeyBytes + value.size());
  char* const at = chunk.encoded.data() + message.offset;
  std::memcpy(at, key.data(), kKeyBytes);
  std::memcpy(at + kKeyBytes, value.data(), value.size());
  chunk.messages.push_back(message);
}

void finish_ledger_records(Chunk& chunk) {
  chunk.value_bytes = 0;
  for (rd_kafka_message_t& message : chunk.messages) {
    char* const key = chunk.encoded.data() + message.offset;
    message.key = key;
    message.key_len = kKeyBytes;
    message.payload = key + kKeyBytes;
    message._private = &chunk;
    chunk.value_bytes += message.len;
  }
}

}  // namespace longshore::shipper
