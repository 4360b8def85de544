#include "shipper/record/ledger_view.h"

#include <utility>

namespace longshore::shipper {

namespace {

using simdjson::dom::element;

constexpr std::pair<std::string_view, LedgerEvent> kEvents[] = {
    {"opened", LedgerEvent::kOpened}, {"closed", LedgerEvent::kClosed},
    {"ended", LedgerEvent::kEnded},   {"lost", LedgerEvent::kLost},
    {"doubt", LedgerEvent::kDoubt},   {"refused", LedgerEvent::kRefused},
};

// The string at a JSON pointer; empty when there is none.
std::string_view text_at(element from, std::string_view pointer) {
  std::string_view text;
  if (from.at_pointer(pointer).get_string().get(text) != simdjson::SUCCESS) return {};
  return text;
}

std::optional<uint64_t> number_at(element from, std::string_view pointer) {
  uint64_t number = 0;
  if (from.at_pointer(pointer).get_uint64().get(number) != simdjson::SUCCESS) return std::nullopt;
  return number;
}

}  // namespace

bool is_own(const LedgerView& entry, std::string_view key) {
  return parse_source_id(key) == entry.source;
}

std::optional<LedgerView> LedgerParser::parse(std::string_view value) {
  element root;
  if (parser_.parse(value.data(), value.size()).get(root) != simdjson::SUCCESS) return std::nullopt;
  const auto source = parse_source_id(text_at(root, "/longshore/source"));
  const std::string_view event = text_at(root, "/longshore/event");
  const auto start = number_at(root, "/longshore/start"), end = number_at(root, "/longshore/end");
  if (!source || !start || !end || *end < *start) return std::nullopt;
  LedgerView view;
  bool known = false;
  for (const auto& [name, kind] : kEvents) {
    if (name != event) continue;
    view.event = kind;
    known = true;
  }
  if (!known) return std::nullopt;
  view.source = *source;
  view.start = {*start};
  view.end = {*end};
  view.count = number_at(root, "/longshore/count").value_or(0);
  view.lane = number_at(root, "/longshore/lane").value_or(0);
  view.name = text_at(root, "/longshore/name");
  view.topic = text_at(root, "/longshore/topic");
  view.reason = text_at(root, "/longshore/reason");
  view.detail = text_at(root, "/longshore/detail");
  view.path = text_at(root, "/log/file/path");
  view.container = text_at(root, "/container/name");
  view.host = text_at(root, "/host/name");
  return view;
}

}  // namespace longshore::shipper
