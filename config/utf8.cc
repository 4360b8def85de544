#include "config/utf8.h"

#include <simdjson.h>

#include <cassert>
#include <cstdint>

namespace longshore {

namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// What may follow a lead byte: how many bytes, and the range of the first of them. The range is
// narrower where it excludes overlong forms, surrogates, and code points beyond U+10FFFF.
struct Lead {
  size_t followers = 0;
  uint8_t first_min = 0x80, first_max = 0xBF;
};

Lead lead_of(uint8_t byte) {
  if (byte >= 0xC2 && byte <= 0xDF) return {.followers = 1};
  if (byte == 0xE0) return {.followers = 2, .first_min = 0xA0};
  if (byte == 0xED) return {.followers = 2, .first_max = 0x9F};
  if (byte >= 0xE1 && byte <= 0xEF) return {.followers = 2};
  if (byte == 0xF0) return {.followers = 3, .first_min = 0x90};
  if (byte >= 0xF1 && byte <= 0xF3) return {.followers = 3};
  if (byte == 0xF4) return {.followers = 3, .first_max = 0x8F};
  return {};
}

}  // namespace

Utf8Unit utf8_unit(std::string_view text) {
  assert(!text.empty());
  const auto byte_at = [text](size_t i) { return static_cast<uint8_t>(text[i]); };
  if (byte_at(0) < 0x80) return {.bytes = 1, .valid = true};
  const Lead lead = lead_of(byte_at(0));
  for (size_t i = 1; i <= lead.followers; ++i) {
    const uint8_t min = i == 1 ? lead.first_min : 0x80;
    const uint8_t max = i == 1 ? lead.first_max : 0xBF;
    if (i >= text.size() || byte_at(i) < min || byte_at(i) > max) return {.bytes = i};
  }
  return {.bytes = 1 + lead.followers, .valid = lead.followers > 0};
}

bool is_utf8(std::string_view text) { return simdjson::validate_utf8(text.data(), text.size()); }

void repair_utf8(std::string_view text, std::string& out) {
  out.clear();
  while (!text.empty()) {
    const Utf8Unit unit = utf8_unit(text);
    out.append(unit.valid ? text.substr(0, unit.bytes) : kReplacement);
    text.remove_prefix(unit.bytes);
  }
}

}  // namespace longshore
