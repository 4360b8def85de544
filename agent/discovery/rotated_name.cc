#include "agent/discovery/rotated_name.h"

#include <charconv>

namespace longshore::agent {
namespace {

constexpr size_t kNumberDigitsMax = 5;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string_view without_compression(std::string_view name) {
  for (const std::string_view suffix : {".gz", ".zst", ".bz2", ".xz"}) {
    if (name.ends_with(suffix)) return name.substr(0, name.size() - suffix.size());
  }
  return name;
}

// "20261121" or "2026-11-21", either one followed by more numbers or not.
bool is_date(std::string_view text) {
  size_t digits = 0;
  for (const char c : text) {
    if (is_digit(c)) {
      ++digits;
    } else if (c != '-' && c != '_' && c != 'T' && c != '.') {
      return false;
    }
  }
  return digits >= 8 && digits <= 20 && !text.empty() && is_digit(text.front());
}

}  // namespace

bool is_compressed(std::string_view file_name) {
  return without_compression(file_name).size() != file_name.size();
}

int rotation_number(std::string_view file_name) {
  const size_t dot = file_name.rfind('.');
  if (dot == std::string_view::npos) return -1;
  const std::string_view digits = file_name.substr(dot + 1);
  if (digits.empty() || digits.size() > kNumberDigitsMax) return -1;
  int number = 0;
  const auto [end, error] = std::from_chars(digits.begin(), digits.end(), number);
  return error == std::errc() && end == digits.end() ? number : -1;
}

std::optional<std::string> rotated_base(std::string_view file_name) {
  const std::string_view name = without_compression(file_name);
  if (rotation_number(name) >= 0) {
    const std::string_view base = name.substr(0, name.rfind('.'));
    if (!base.empty()) return std::string(base);
  }
  for (size_t at = 1; at < name.size(); ++at) {
    if ((name[at] == '.' || name[at] == '-') && is_date(name.substr(at + 1))) {
      return std::string(name.substr(0, at));
    }
  }
  return std::nullopt;
}

}  // namespace longshore::agent
