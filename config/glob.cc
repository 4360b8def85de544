#include "config/glob.h"

#include "config/path.h"

namespace longshore {
namespace {

constexpr size_t kNone = std::string_view::npos;

// The index after the `]` that closes the set opened at `at`, or kNone. A `]` that comes first, or
// right after `!`, is a member.
size_t set_end(std::string_view pattern, size_t at) {
  size_t i = at + 1;
  if (i < pattern.size() && (pattern[i] == '!' || pattern[i] == '^')) ++i;
  for (const size_t first = i; i < pattern.size(); ++i) {
    if (pattern[i] == ']' && i > first) return i + 1;
    if (pattern[i] == '\\') ++i;
  }
  return kNone;
}

// Reads one member of a set, with its escape, and steps past it.
unsigned char set_member(std::string_view set, size_t& at) {
  if (set[at] == '\\' && at + 1 < set.size()) ++at;
  return static_cast<unsigned char>(set[at++]);
}

// `set` is the text between the brackets.
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

// Matches one byte at pattern[at], which is not '*'. Returns where the pattern continues, or kNone.
// No set that opens at `sets_end` or later is ever closed, so a row of open brackets is searched
// only once.
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

// Matches all of `have` parts with `want` parts of a pattern, some of which are stars that take any
// number of parts. `match_one(at, in)` returns where the pattern continues, or kNone.
template <typename IsStar, typename MatchOne>
bool match_with_stars(size_t want, size_t have, IsStar is_star, MatchOne match_one) {
  size_t at = 0, in = 0, star = kNone, star_in = 0;
  while (in < have) {
    if (at < want && is_star(at)) {
      star = at++;
      star_in = in;
      continue;
    }
    const size_t next = at < want ? match_one(at, in) : kNone;
    if (next != kNone) {
      at = next;
      ++in;
    } else if (star != kNone) {
      // Only the last star has to take more: everything before it has matched.
      at = star + 1;
      in = ++star_in;
    } else {
      return false;
    }
  }
  while (at < want && is_star(at)) ++at;
  return at == want;
}

}  // namespace

bool has_wildcards(std::string_view pattern) { return pattern.find_first_of("*?[\\") != kNone; }

bool glob_match(std::string_view pattern, std::string_view text) {
  if (text.starts_with('.') && !pattern.starts_with('.') && !pattern.starts_with("\\.")) {
    return false;
  }
  size_t sets_end = pattern.size();
  return match_with_stars(
      pattern.size(), text.size(), [pattern](size_t at) { return pattern[at] == '*'; },
      [&](size_t at, size_t in) { return match_one(pattern, at, text[in], sets_end); });
}

bool path_matches(std::string_view pattern, std::string_view path) {
  if (pattern.find('/') == kNone) return glob_match(pattern, last_component(path));
  const auto want = path_components(pattern), have = path_components(path);
  return match_with_stars(
      want.size(), have.size(), [&want](size_t at) { return want[at] == "**"; },
      [&](size_t at, size_t in) { return glob_match(want[at], have[in]) ? at + 1 : kNone; });
}

}  // namespace longshore
