#include "shipper/record/ledger_record.h"

#include <fmt/format.h>

#include <cstring>

#include "config/time_text.h"
#include "shipper/record/printable.h"

namespace longshore::shipper {
namespace {

constexpr size_t kKeyBytes = 16;  // Stands before each value in the arena.

const char* word_of(LedgerEvent event) {
  constexpr const char* kWords[] = {"opened", "closed", "ended", "lost", "doubt"};
  return kWords[static_cast<size_t>(event)];
}

}  // namespace

void append_ledger_record(const LedgerEntry& entry, const Envelope& about, const std::string& topic,
                          Chunk& chunk) {
  std::string value =
      fmt::format(R"({{"@timestamp":"{}","host":{{"name":{}}})",
                  utc_text_of_ms(entry.time_ns / 1'000'000), json_string(about.host_name));
  if (!about.container_id.empty()) {
    value += fmt::format(R"(,"container":{{"id":{},"name":{}}})", json_string(about.container_id),
                         json_string(about.container_name));
  }
  if (!about.path.empty()) {
    value += fmt::format(R"(,"log":{{"file":{{"path":{}}}}})", json_string(about.path));
  }
  const std::string key = to_string(entry.source);
  value += fmt::format(R"(,"longshore":{{"source":"{}","name":{})", key, json_string(about.name));
  if (!topic.empty()) value += ",\"topic\":" + json_string(topic);
  value += fmt::format(R"(,"lane":{},"event":"{}")", entry.lane.value, word_of(entry.event));
  if (!entry.reason.empty()) value += ",\"reason\":" + json_string(entry.reason);
  value += fmt::format(R"(,"generation":{},"start":{},"end":{})", entry.generation,
                       entry.start.bytes, entry.end.bytes);
  if (!entry.detail.empty()) value += ",\"detail\":" + json_string(entry.detail);
  value += "}}";

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
