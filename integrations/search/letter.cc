#include "integrations/search/letter.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <map>

#include "config/printable.h"

namespace longshore::search {
namespace {

constexpr std::string_view kPrefix = "longshore.";
constexpr size_t kValueBytesMax = 2'048;   // Longer ones are never written, except for reasons.
constexpr size_t kReasonBytesMax = 2'048;  // More of it is not looked at.
constexpr size_t kTopicBytesMax = 249;     // Kafka's limit.
constexpr size_t kIdBytesMax = 512;        // The service's limit.
constexpr std::array<std::string_view, 10> kKnown = {"reason",    "topic",   "partition", "offset",
                                                     "timestamp", "cluster", "hash",      "action",
                                                     "cut",       "key_cut"};

Error wrong(std::string_view name, std::string_view what) {
  return {ErrorCode::kCorrupt, fmt::format("its header {}{} {}", kPrefix, name, what)};
}

bool is_topic(std::string_view name) {
  return !name.empty() && name.size() <= kTopicBytesMax && name != "." && name != ".." &&
         std::ranges::all_of(name, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '.' || c == '_' || c == '-';
         });
}

/// What Kafka's metadata and ids consist of.
bool is_plain(std::string_view text, size_t bytes_max) {
  return text.size() <= bytes_max && std::ranges::all_of(text, [](char c) {
           return c > ' ' && c <= '~' && c != '"' && c != '\\';
         });
}

class Fields {
 public:
  explicit Fields(std::span<const kafka::Header> headers) : headers_(headers) {}

  /// Errors: kNotFound, kCorrupt.
  Status sort() {
    if (headers_.size() > kLetterHeadersMax) {
      return Error{ErrorCode::kCorrupt,
                   fmt::format("it has more than {} headers", kLetterHeadersMax)};
    }
    for (const kafka::Header& header : headers_) {
      if (!header.name.starts_with(kPrefix)) continue;
      const std::string_view name = header.name.substr(kPrefix.size());
      if (std::ranges::find(kKnown, name) == kKnown.end()) continue;
      if (!found_.emplace(name, header.value).second) return wrong(name, "is there twice");
      if (header.value.size() > kValueBytesMax && name != "reason")
        return wrong(name, fmt::format("has {} bytes", header.value.size()));
    }
    if (found_.empty())
      return Error{ErrorCode::kNotFound, "it has no header of a dead letter of 'longshore index'"};
    return ok();
  }

  std::optional<std::string_view> find(std::string_view name) const {
    const auto at = found_.find(name);
    return at == found_.end() ? std::nullopt : std::optional(at->second);
  }

  template <typename Number>
  Status number(std::string_view name, Number min, Number& to) const {
    const auto text = find(name);
    if (!text) return wrong(name, "is missing");
    const char* const end = text->data() + text->size();
    const auto [rest, code] = std::from_chars(text->data(), end, to);
    if (code != std::errc() || rest != end || to < min) {
      return wrong(
          name, fmt::format("is no number from {} to {}", min, std::numeric_limits<Number>::max()));
    }
    return ok();
  }

 private:
  std::span<const kafka::Header> headers_;
  std::map<std::string_view, std::string_view> found_;
};

// {"create":{"_index":"logs-app-2026.11.21","_id":"0123456789abcdef-4711.89abcdef"}}
Status read_action(std::string_view action, Letter& letter) {
  constexpr std::string_view kHead = R"({"create":{"_index":")", kMiddle = R"(","_id":")";
  constexpr std::string_view kTail = R"("}})";
  const size_t middle = action.find(kMiddle);
  const Error error = wrong("action", "names no index and id as longshore writes them");
  if (!action.starts_with(kHead) || !action.ends_with(kTail) || middle == std::string_view::npos ||
      middle < kHead.size() || middle + kMiddle.size() + kTail.size() > action.size())
    return error;
  letter.index = action.substr(kHead.size(), middle - kHead.size());
  action.remove_prefix(middle + kMiddle.size());
  action.remove_suffix(kTail.size());
  letter.id = action;
  if (letter.index.empty() || letter.id.empty() || !is_plain(letter.index, kIdBytesMax) ||
      !is_plain(letter.id, kIdBytesMax))
    return error;
  return ok();
}

Status read_hash(std::string_view text, Letter& letter) {
  constexpr size_t kDigits = 16;
  constexpr int kBase = 16;
  uint64_t hash = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, code] = std::from_chars(text.data(), end, hash, kBase);
  if (text.size() != kDigits || code != std::errc() || rest != end)
    return wrong("hash", "is not of 16 hex digits");
  letter.hash = hash;
  return ok();
}

Status read_place(const Fields& fields, Letter& letter) {
  const auto topic = fields.find("topic");
  if (!topic) return wrong("topic", "is missing");
  if (!is_topic(*topic)) return wrong("topic", "is no topic's name");
  letter.topic = *topic;
  if (Status read = fields.number<int32_t>("partition", 0, letter.partition); !read) return read;
  if (Status read = fields.number<int64_t>("offset", 0, letter.offset); !read) return read;
  return fields.number("timestamp", std::numeric_limits<int64_t>::min(), letter.kafka_ms);
}

}  // namespace

Result<Letter> read_letter(std::span<const kafka::Header> headers) {
  Letter letter;
  Fields fields(headers);
  if (Status sorted = fields.sort(); !sorted) return sorted.error();
  if (Status read = read_place(fields, letter); !read) return read.error();
  const auto reason = fields.find("reason");
  if (!reason) return wrong("reason", "is missing");
  letter.reason = printable(*reason, kReasonBytesMax);
  if (const auto cluster = fields.find("cluster")) {
    if (!is_plain(*cluster, kTopicBytesMax)) return wrong("cluster", "is no cluster's id");
    letter.cluster = *cluster;
  }
  if (const auto hash = fields.find("hash")) {
    if (Status read = read_hash(*hash, letter); !read) return read.error();
  }
  // Earlier versions wrote an empty one for what was never sent.
  if (const auto action = fields.find("action"); action && !action->empty()) {
    if (Status read = read_action(*action, letter); !read) return read.error();
  }
  if (fields.find("cut")) {
    if (Status read = fields.number<uint64_t>("cut", 1, letter.cut); !read) return read.error();
  }
  if (fields.find("key_cut")) {
    uint64_t bytes = 0;
    if (Status read = fields.number<uint64_t>("key_cut", 1, bytes); !read) return read.error();
    letter.cut_key = bytes;
  }
  return letter;
}

std::string_view type_of_reason(std::string_view reason) {
  return reason.substr(0, reason.find(':'));
}

}  // namespace longshore::search
