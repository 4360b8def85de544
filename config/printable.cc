#include "config/printable.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <iterator>

#include "config/utf8.h"

namespace longshore {

namespace {

// The code point of a valid unit of two or three bytes; longer ones hold nothing that is escaped.
uint32_t code_point(std::string_view unit) {
  const auto byte = [unit](size_t i) {
    return static_cast<uint32_t>(static_cast<uint8_t>(unit[i]));
  };
  if (unit.size() == 2) return (byte(0) & 0x1f) << 6 | (byte(1) & 0x3f);
  if (unit.size() == 3) return (byte(0) & 0x0f) << 12 | (byte(1) & 0x3f) << 6 | (byte(2) & 0x3f);
  return 0x10000;
}

// Control characters of ISO 8859 (C1), line separators, and marks that change the direction of
// writing or the shapes of characters.
bool is_obeyed(uint32_t point) {
  const auto within = [point](uint32_t first, uint32_t last) {
    return point >= first && point <= last;
  };
  return within(0x80, 0x9f) || point == 0x061c || within(0x200e, 0x200f) ||
         within(0x2028, 0x202e) || within(0x2066, 0x206f);
}

void append_ascii(char c, std::string& out) {
  if (c == '\n') {
    out += "\\n";
  } else if (c == '\r') {
    out += "\\r";
  } else if ((c < 0x20 && c != '\t') || c == 0x7f) {
    fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<uint8_t>(c));
  } else {
    out += c;
  }
}

}  // namespace

void append_printable(std::string_view text, std::string& out) {
  while (!text.empty()) {
    if (static_cast<uint8_t>(text.front()) < 0x80) {
      append_ascii(text.front(), out);
      text.remove_prefix(1);
      continue;
    }
    const Utf8Unit unit = utf8_unit(text);
    const std::string_view bytes = text.substr(0, unit.bytes);
    text.remove_prefix(unit.bytes);
    if (!unit.valid) {
      for (const char c : bytes)
        fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<uint8_t>(c));
    } else if (const uint32_t point = code_point(bytes); is_obeyed(point)) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", point);
    } else {
      out += bytes;
    }
  }
}

std::string printable(std::string_view text) {
  std::string out;
  append_printable(text, out);
  return out;
}

std::string printable_lines(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const size_t newline = text.find('\n');
    append_printable(text.substr(0, newline), out);
    if (newline == std::string_view::npos) break;
    out += '\n';
    text.remove_prefix(newline + 1);
  }
  return out;
}

std::string printable(std::string_view text, size_t bytes_max) {
  if (text.size() <= bytes_max) return printable(text);
  size_t cut = 0;
  for (;;) {
    const size_t bytes = utf8_unit(text.substr(cut)).bytes;
    if (cut + bytes > bytes_max) break;
    cut += bytes;
  }
  return printable(text.substr(0, cut)) + "...";
}

bool is_printable(std::string_view text) {
  return std::none_of(text.begin(), text.end(),
                      [](char c) { return static_cast<uint8_t>(c) < 0x20 || c == 0x7f; });
}

}  // namespace longshore
