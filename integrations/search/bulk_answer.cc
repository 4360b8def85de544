#include "integrations/search/bulk_answer.h"

#include <algorithm>
#include <array>
#include <utility>

#include "config/printable.h"
#include "integrations/http/client.h"

namespace longshore::search {
namespace {

using simdjson::ondemand::object;
using simdjson::ondemand::value;

// Servers repeat parts of the document in their reasons.
constexpr size_t kReasonBytesMax = 1000;

constexpr int kCausesMax = 16;  // Of a reason, each the cause of the one before.

// A setting of the service that refuses every document. Only beginnings: what follows in a reason
// may be a document's own words.
constexpr std::array<std::string_view, 2> kSettings = {
    "illegal_argument_exception: pipeline with id [",
    "illegal_argument_exception: explicit index in bulk is not allowed"};

// A 400 of these types is about the index or the cluster (shard limit, closed index), not about the
// document.
constexpr std::array<std::string_view, 3> kStates = {
    "validation_exception", "index_closed_exception", "invalid_index_name_exception"};

std::string shortened(std::string_view text) {
  size_t bytes = std::min(text.size(), kReasonBytesMax);
  while (bytes < text.size() && bytes > 0 && (text[bytes] & 0xc0) == 0x80) --bytes;
  return printable(text.substr(0, bytes));
}

std::string words_of(std::string_view type, std::string_view reason) {
  std::string words = shortened(type);
  if (!reason.empty()) words += ": " + shortened(reason);
  return words;
}

struct Fault {
  std::string_view type, reason;
  std::string cause = {};  // The innermost reason, if it is another one.
};

// In the functions below simdjson reports errors as exceptions.

Fault read_error(value error, int depth = 0) {
  Fault fault;
  for (auto field : error.get_object()) {
    const std::string_view key = field.unescaped_key();
    if (key == "type") fault.type = field.value().get_string();
    if (key == "reason") {
      value reason = field.value();
      if (reason.type() == simdjson::ondemand::json_type::string)
        fault.reason = reason.get_string();
    }
    if (key == "caused_by" && depth < kCausesMax) {
      value inner = field.value();
      if (inner.type() != simdjson::ondemand::json_type::object) continue;
      const Fault cause = read_error(inner, depth + 1);
      fault.cause = cause.cause.empty() ? cause.reason : cause.cause;
    }
  }
  return fault;
}

ItemAnswer read_item(object item) {
  ItemAnswer answer;
  Fault fault;
  for (auto field : item) {
    const std::string_view key = field.unescaped_key();
    if (key == "status") {
      answer.status = static_cast<int>(int64_t(field.value().get_int64()));
    } else if (key == "_index") {
      answer.index = std::string_view(field.value().get_string());
    } else if (key == "error") {
      fault = read_error(field.value());
    }
  }
  answer.verdict = judge(answer.status, fault.type, fault.reason);
  if (answer.verdict == Verdict::kLater || answer.verdict == Verdict::kRejected)
    answer.reason = words_of(fault.type, fault.reason);
  return answer;
}

void read_items(value from, std::vector<ItemAnswer>& answers) {
  for (auto element : from.get_array()) {
    for (auto action : element.get_object())
      answers.push_back(read_item(action.value().get_object()));
  }
}

}  // namespace

bool is_misconfigured(std::string_view reason) {
  return std::ranges::any_of(
      kSettings, [reason](std::string_view words) { return reason.starts_with(words); });
}

Verdict judge(int status, std::string_view type, std::string_view reason) {
  if (status == 200 || status == 201) return Verdict::kCreated;
  if (status == 409) return Verdict::kThere;
  if (status != 400 && status != 413) return Verdict::kLater;
  const bool state = std::find(kStates.begin(), kStates.end(), type) != kStates.end() ||
                     is_misconfigured(words_of(type, reason));
  return state ? Verdict::kLater : Verdict::kRejected;
}

Result<std::vector<ItemAnswer>> BulkAnswerParser::parse(std::string_view body, size_t items) {
  const auto corrupt = [](const std::string& why) {
    return Error{ErrorCode::kCorrupt, "not an answer to _bulk: " + why};
  };
  padded_.reserve(body.size() + simdjson::SIMDJSON_PADDING);
  padded_.assign(body);
  std::vector<ItemAnswer> answers;
  answers.reserve(items);
  try {
    auto document = parser_.iterate(padded_.data(), padded_.size(), padded_.capacity());
    for (auto field : document.get_object()) {
      const std::string_view key = field.unescaped_key();
      if (key == "items") read_items(field.value(), answers);
    }
  } catch (const simdjson::simdjson_error& error) {
    return corrupt(error.what());
  }
  if (answers.size() != items) {
    return corrupt(std::to_string(answers.size()) + " items instead of " + std::to_string(items));
  }
  return answers;
}

std::optional<std::string> service_reason(std::string_view body) {
  const simdjson::padded_string padded(body);
  simdjson::ondemand::parser parser;
  try {
    auto document = parser.iterate(padded);
    for (auto field : document.get_object()) {
      const std::string_view key = field.unescaped_key();
      if (key != "error") continue;
      value error = field.value();
      if (error.type() == simdjson::ondemand::json_type::string)
        return shortened(std::string_view(error.get_string()));
      const Fault fault = read_error(error);
      std::string words = words_of(fault.type, fault.reason);
      if (!fault.cause.empty()) words += " (" + shortened(fault.cause) + ")";
      return words;
    }
  } catch (const simdjson::simdjson_error&) {
    // Proxies answer with HTML.
  }
  return std::nullopt;
}

std::string reason_of(std::string_view body) {
  if (std::optional<std::string> reason = service_reason(body)) return *std::move(reason);
  if (const std::string_view title = http::page_title(body); !title.empty()) body = title;
  return shortened(body.substr(0, 200));
}

}  // namespace longshore::search
