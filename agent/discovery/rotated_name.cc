#include "agent/discovery/rotated_name.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "config/limits.h"

namespace longshore::agent {
namespace {

constexpr size_t kNumberDigitsMax = 5;
constexpr size_t kDateDigitsMax = 20;
constexpr size_t kIndexDigitsMax = 3;  // "app1.log" has no separator before its number.
constexpr size_t kTai64nDigits = 24;   // "@" and a TAI64N label; tai64n(8).

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_separator(char c) { return c == '.' || c == '-' || c == '_'; }

std::string_view without_compression(std::string_view name) {
  for (const std::string_view suffix : {".gz", ".zst", ".bz2", ".xz"}) {
    if (name.ends_with(suffix)) return name.substr(0, name.size() - suffix.size());
  }
  return name;
}

struct Token {
  size_t begin, end;
  bool is_mark;  // What rotation inserts, as opposed to what the log's own name is made of.
};

// "1", "20261129", "2026", "20261129T120000Z", "12:30", "12h".
bool is_number_or_time(std::string_view token) {
  if (!is_digit(token.front())) return false;
  size_t digits = 0;
  for (const char c : token) {
    if (is_digit(c)) {
      ++digits;
    } else if (std::string_view("TZhms:+").find(c) == std::string_view::npos) {
      return false;
    }
  }
  return digits <= kDateDigitsMax;
}

bool is_mark_word(std::string_view token) {
  static constexpr std::array<std::string_view, 23> kWords = {
      "old", "bak", "prev", "previous", "orig", "save", "copy", "tmp", "new", "part", "swp", "jan",
      "feb", "mar", "apr",  "may",      "jun",  "jul",  "aug",  "sep", "oct", "nov",  "dec"};
  std::string lower(token);
  std::ranges::transform(lower, lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  return std::ranges::find(kWords, lower) != kWords.end();
}

// Empty: there are so many that no rotator made them.
std::vector<Token> tokens_of(std::string_view name) {
  std::vector<Token> tokens;
  for (size_t at = 0; at < name.size();) {
    if (is_separator(name[at])) {
      ++at;
      continue;
    }
    size_t end = at;
    while (end < name.size() && !is_separator(name[end])) ++end;
    if (tokens.size() == limits::kNameTokensMax) return {};
    const std::string_view token = name.substr(at, end - at);
    tokens.push_back({at, end, is_number_or_time(token) || is_mark_word(token)});
    at = end;
  }
  return tokens;
}

// "@400000006563a1f10b2c3d4e.s", ".u" while it is being finished.
bool is_tai64n(std::string_view name) {
  if (name.size() < 1 + kTai64nDigits || name[0] != '@') return false;
  const std::string_view digits = name.substr(1, kTai64nDigits),
                         rest = name.substr(1 + kTai64nDigits);
  const bool hex =
      std::ranges::all_of(digits, [](char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); });
  return hex && (rest.empty() || rest == ".s" || rest == ".u");
}

// `name` without the tokens [first, last], which are marks, and the separators that set them off.
std::string without_tokens(std::string_view name, const std::vector<Token>& tokens, size_t first,
                           size_t last) {
  if (first > 0) {
    std::string base(name.substr(0, tokens[first - 1].end));
    return base.append(name.substr(tokens[last].end));
  }
  if (last + 1 == tokens.size() || tokens[0].begin > 0) return {};
  return std::string(name.substr(tokens[last + 1].begin));
}

// "app1.log", "app.log1": the number follows the name, or the part before its extension, at once.
void add_without_index(std::string_view name, const std::vector<Token>& tokens,
                       std::vector<std::string>& bases) {
  const size_t from = tokens.size() > 2 ? tokens.size() - 2 : 0;
  for (size_t i = from; i < tokens.size(); ++i) {
    if (tokens[i].is_mark) continue;
    size_t begin = tokens[i].end;
    while (begin > tokens[i].begin && is_digit(name[begin - 1])) --begin;
    const size_t digits = tokens[i].end - begin;
    if (digits == 0 || digits > kIndexDigitsMax || begin == tokens[i].begin) continue;
    std::string base(name.substr(0, begin));
    bases.push_back(base.append(name.substr(tokens[i].end)));
  }
}

}  // namespace

bool is_compressed(std::string_view file_name) {
  return without_compression(file_name).size() != file_name.size();
}

std::vector<std::string> rotated_bases(std::string_view file_name) {
  const std::string_view name = without_compression(file_name);
  if (is_tai64n(name)) return {"current"};
  std::vector<std::string> bases;
  // A log that is compressed after it was written is rotated by its ending alone.
  if (name.size() != file_name.size() && !name.empty()) bases.emplace_back(name);
  const std::vector<Token> tokens = tokens_of(name);
  add_without_index(name, tokens, bases);
  // Of each run of marks all, or those at its end: "app-2026-11-29.1.log" was "app.log", or else
  // "app-2026-11-29.log".
  for (size_t begin = 0, end = 0; begin < tokens.size(); begin = end + 1) {
    for (end = begin; end < tokens.size() && tokens[end].is_mark;) ++end;
    for (size_t first = begin; first < end && bases.size() < limits::kRotatedBasesMax; ++first) {
      std::string base = without_tokens(name, tokens, first, end - 1);
      if (!base.empty()) bases.push_back(std::move(base));
    }
  }
  std::ranges::sort(bases, [](const std::string& a, const std::string& b) {
    return a.size() != b.size() ? a.size() > b.size() : a < b;
  });
  bases.erase(std::unique(bases.begin(), bases.end()), bases.end());
  return bases;
}

bool is_rotated_from(std::string_view file_name, std::string_view base) {
  if (file_name.size() <= base.size() || base.empty()) return false;
  if (base != "current") {
    const std::string_view name = without_compression(file_name);
    const auto [in_name, in_base] = std::ranges::mismatch(name, base);
    const auto prefix = static_cast<size_t>(in_base - base.begin());
    const std::string_view rest = base.substr(prefix);
    if (!name.ends_with(rest)) return false;
  }
  const std::vector<std::string> bases = rotated_bases(file_name);
  return std::ranges::find(bases, base) != bases.end();
}

std::optional<int> rotation_number(std::string_view file_name, std::string_view base) {
  const std::string_view name = without_compression(file_name);
  if (name.size() <= base.size()) return std::nullopt;
  const auto [in_name, in_base] = std::ranges::mismatch(name, base);
  std::string_view part =
      name.substr(static_cast<size_t>(in_base - base.begin()), name.size() - base.size());
  // "app." is common to "app.1.log" and "app.log": what was inserted there begins with its number.
  while (!part.empty() && is_separator(part.front())) part.remove_prefix(1);
  while (!part.empty() && is_separator(part.back())) part.remove_suffix(1);
  if (part.empty() || part.size() > kNumberDigitsMax) return std::nullopt;
  int number = 0;
  const auto [end, error] = std::from_chars(part.begin(), part.end(), number);
  if (error != std::errc() || end != part.end()) return std::nullopt;
  return number;
}

}  // namespace longshore::agent
