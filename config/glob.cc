#include "config/glob.h"

#include "config/path.h"

namespace longshore {
namespace {

constexpr size_t kNone = std::string_view::npos;

// The index behind the `]` that closes the set opened at `at`; kNone: none does. A `]` that stands
// first, also behind `!`, is a member.
size_t set_end(std::string_view pattern, size_t at) {
  size_t i = at + 1;
  if (i < pattern.size() && (pattern[i] == '!' || pattern[i] == '^')) ++i;
  for (const size_t first = i; i < pattern.size(); ++i) {
    if (pattern[i] == ']' && i > first) return i + 1;
    if (pattern[i] == '\\') ++i;
  }
  return kNone;
}

// Reads one member of a set, with its escape, and steps behind it.
unsigned char set_member(std::string_view set, size_t& at) {
  if (set[at] == '\\' && at + 1 < set.size()) ++at;
  return static_cast<unsigned char>(set[at++]);
}

// `set`: what stands between the brackets.
bool set_has(std::string_view set, char c) {
  const auto byte = static_cast<unsigned char>(c);
  const bool negated = set[0] == '!' || set[0] == '^';
  bool found = false;
  for (size_t i = negated ? 1 : 0; i < set.size();) {
    const unsigned char low = set_member(set, i);
    unsigned char high = low;
    if (i + 1 < set.size() && set[i] == '-') high = set_member(set, ++i);
    found = found || (low <= byte && byte <= high);
  }
  return found != negated;
}

// Matches one byte at pattern[at] (not '*') and gives where the pattern goes on; kNone: no match.
// `sets_end`: no set that opens at or behind this index is ever closed, so that a row of open
// brackets is searched once and not for each of them.
size_t match_one(std::string_view pattern, size_t at, char c, size_t& sets_end) {
  if (pattern[at] == '?') return at + 1;
  if (pattern[at] == '\\' && at + 1 < pattern.size()) {
    return pattern[at + 1] == c ? at + 2 : kNone;
  }
  if (pattern[at] == '[' && at < sets_end) {
    const size_t end = set_end(pattern, at);
    if (end != kNone) return set_has(pattern.substr(at + 1, end - at - 2), c) ? end : kNone;
    sets_end = at;
  }
  return pattern[at] == c ? at + 1 : kNone;
}

}  // namespace

bool has_wildcards(std::string_view pattern) { return pattern.find_first_of("*?[\\") != kNone; }

bool glob_match(std::string_view pattern, std::string_view text) {
  if (text.starts_with('.') && !pattern.starts_with('.') && !pattern.starts_with("\\.")) {
    return false;
  }
  size_t at = 0, in = 0, star = kNone, star_in = 0, sets_end = pattern.size();
  while (in < text.size()) {
    if (at < pattern.size() && pattern[at] == '*') {
      star = at++;
      star_in = in;
      continue;
    }
    const size_t next = at < pattern.size() ? match_one(pattern, at, text[in], sets_end) : kNone;
    if (next != kNone) {
      at = next;
      ++in;
    } else if (star != kNone) {
      // Only the last star has to be widened: what stood before it matched already.
      at = star + 1;
      in = ++star_in;
    } else {
      return false;
    }
  }
  while (at < pattern.size() && pattern[at] == '*') ++at;
  return at == pattern.size();
}

bool path_matches(std::string_view pattern, std::string_view path) {
  if (pattern.find('/') == kNone) return glob_match(pattern, last_component(path));
  const auto want = path_components(pattern), have = path_components(path);
  size_t at = 0, in = 0, star = kNone, star_in = 0;
  while (in < have.size()) {
    if (at < want.size() && want[at] == "**") {
      star = at++;
      star_in = in;
    } else if (at < want.size() && glob_match(want[at], have[in])) {
      ++at;
      ++in;
    } else if (star != kNone) {
      at = star + 1;
      in = ++star_in;
    } else {
      return false;
    }
  }
  while (at < want.size() && want[at] == "**") ++at;
  return at == want.size();
}

}  // namespace longshore
