// Goal: a glob matches what the grammar in config/glob.h says, for any pattern and any name.
// Method: a second matcher, which follows the grammar by recursion over all ways to match.

#include <vector>

#include "config/glob.h"
#include "tests/fuzz/input.h"

namespace longshore::fuzz {
namespace {

constexpr size_t kTextBytesMax = 24;  // The recursion takes time without end for more.

// Where the set that opens at the front of `pattern` is closed; 0 when it is not.
size_t set_length(std::string_view pattern) {
  size_t i = 1;
  if (i < pattern.size() && (pattern[i] == '!' || pattern[i] == '^')) ++i;
  bool first = true;
  while (i < pattern.size()) {
    if (pattern[i] == ']' && !first) return i + 1;
    first = false;
    i += pattern[i] == '\\' ? 2 : 1;
  }
  return 0;
}

bool in_set(std::string_view set, unsigned char c) {
  bool negated = false, found = false;
  if (set.front() == '!' || set.front() == '^') {
    negated = true;
    set.remove_prefix(1);
  }
  std::vector<int> members;  // -1 for a dash that was written without a backslash.
  for (size_t i = 0; i < set.size(); ++i) {
    if (set[i] == '\\' && i + 1 < set.size()) {
      members.push_back(static_cast<unsigned char>(set[++i]));
    } else {
      members.push_back(set[i] == '-' ? -1 : static_cast<unsigned char>(set[i]));
    }
  }
  const auto byte = [](int member) { return member < 0 ? '-' : member; };
  for (size_t i = 0; i < members.size(); ++i) {
    const bool range = i + 2 < members.size() && members[i + 1] == -1;
    const int low = byte(members[i]), high = byte(members[range ? i + 2 : i]);
    found = found || (low <= c && c <= high);
    if (range) i += 2;
  }
  return found != negated;
}

bool matches(std::string_view pattern, std::string_view text) {
  if (pattern.empty()) return text.empty();
  if (pattern[0] == '*') {
    return matches(pattern.substr(1), text) || (!text.empty() && matches(pattern, text.substr(1)));
  }
  if (text.empty()) return false;
  if (pattern[0] == '?') return matches(pattern.substr(1), text.substr(1));
  if (pattern[0] == '\\' && pattern.size() > 1) {
    return pattern[1] == text[0] && matches(pattern.substr(2), text.substr(1));
  }
  if (pattern[0] == '[') {
    if (const size_t length = set_length(pattern)) {
      return in_set(pattern.substr(1, length - 2), static_cast<unsigned char>(text[0])) &&
             matches(pattern.substr(length), text.substr(1));
    }
  }
  return pattern[0] == text[0] && matches(pattern.substr(1), text.substr(1));
}

bool name_matches(std::string_view pattern, std::string_view text) {
  const bool written = pattern.starts_with('.') || pattern.starts_with("\\.");
  return (written || !text.starts_with('.')) && matches(pattern, text);
}

std::vector<std::string_view> parts_of(std::string_view path) {
  std::vector<std::string_view> parts;
  for (size_t at = 0; at <= path.size();) {
    const size_t end = std::min(path.find('/', at), path.size());
    if (end > at) parts.push_back(path.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

using Parts = std::vector<std::string_view>;

bool parts_match(const Parts& want, size_t at, const Parts& have, size_t in) {
  if (at == want.size()) return in == have.size();
  if (want[at] == "**") {
    return parts_match(want, at + 1, have, in) ||
           (in < have.size() && parts_match(want, at, have, in + 1));
  }
  return in < have.size() && name_matches(want[at], have[in]) &&
         parts_match(want, at + 1, have, in + 1);
}

size_t stars(std::string_view pattern) {
  return static_cast<size_t>(std::count(pattern.begin(), pattern.end(), '*'));
}

}  // namespace
}  // namespace longshore::fuzz

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace longshore::fuzz;
  Input input(data, size);
  const std::string pattern = expanded(input.text(), 4096), text = expanded(input.rest(), 4096);
  const bool matched = longshore::glob_match(pattern, text);
  const bool path_matched = longshore::path_matches(pattern, text);
  if (!longshore::has_wildcards(pattern)) {
    require(matched == (pattern == text), "without wildcards a pattern is a name");
  }
  if (text.size() > kTextBytesMax || stars(pattern) > 6) return 0;
  require(matched == name_matches(pattern, text), "a name matches as the grammar says");
  const bool expected = pattern.find('/') == std::string::npos
                            ? name_matches(pattern, text.substr(text.rfind('/') + 1))
                            : parts_match(parts_of(pattern), 0, parts_of(text), 0);
  require(path_matched == expected, "a path matches as the grammar says");
  return 0;
}
