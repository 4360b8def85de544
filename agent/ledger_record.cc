#include "agent/ledger_record.h"

#include <fmt/format.h>

#include <cstring>
#include <ctime>

#include "integrations/kafka/printable.h"

namespace longshore::agent {
namespace {

using kafka::quoted;

constexpr size_t kKeyBytes = 16;  // Stands before each value in the arena.

const char* word_of(checkpoint::LedgerEvent event) {
  constexpr const char* kWords[] = {"opened", "closed", "ended", "lost", "doubt"};
  return kWords[static_cast<size_t>(event)];
}

std::string timestamp(int64_t time_ns) {
  constexpr int64_t kSecondNs = 1'000'000'000;
  const int64_t rest_ns = (time_ns % kSecondNs + kSecondNs) % kSecondNs;
  const auto seconds = static_cast<time_t>((time_ns - rest_ns) / kSecondNs);
  tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  return fmt::format("{}.{:03}Z", text, rest_ns / 1'000'000);
}

}  // namespace

void append_ledger_record(const checkpoint::LedgerEntry& entry, const shipper::Envelope& about,
                          const std::string& topic, shipper::Chunk& chunk) {
  std::string value = fmt::format(R"({{"@timestamp":"{}","host":{{"name":{}}})",
                                  timestamp(entry.time_ns), quoted(about.host_name));
  if (!about.container_id.empty()) {
    value += fmt::format(R"(,"container":{{"id":{},"name":{}}})", quoted(about.container_id),
                         quoted(about.container_name));
  }
  if (!about.path.empty()) {
    value += fmt::format(R"(,"log":{{"file":{{"path":{}}}}})", quoted(about.path));
  }
  const std::string key = to_string(entry.source);
  value += fmt::format(R"(,"longshore":{{"source":"{}","name":{})", key, quoted(about.name));
  if (!topic.empty()) value += ",\"topic\":" + quoted(topic);
  value += fmt::format(R"(,"lane":{},"event":"{}")", entry.lane.value, word_of(entry.event));
  if (!entry.reason.empty()) value += ",\"reason\":" + quoted(entry.reason);
  value += fmt::format(R"(,"generation":{},"start":{},"end":{})", entry.generation,
                       entry.start.bytes, entry.end.bytes);
  if (!entry.detail.empty()) value += ",\"detail\":" + quoted(entry.detail);
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

void finish_ledger_records(shipper::Chunk& chunk) {
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

}  // namespace longshore::agent
