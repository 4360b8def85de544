#include "agent/discovery/name_family.h"

#include <algorithm>

namespace longshore::agent {
namespace {

constexpr size_t kHexDigitsMin = 7;  // An abbreviated commit.

bool is_decimal(char c) { return c >= '0' && c <= '9'; }
bool is_hex(char c) { return is_decimal(c) || (c >= 'a' && c <= 'f'); }

// The length of the number that `text` begins with; 0: it begins with none.
size_t number_size(std::string_view text) {
  const auto hex = static_cast<size_t>(std::ranges::find_if_not(text, is_hex) - text.begin());
  const std::string_view run = text.substr(0, hex);
  if (hex >= kHexDigitsMin && std::ranges::any_of(run, is_decimal)) return hex;
  return static_cast<size_t>(std::ranges::find_if_not(text, is_decimal) - text.begin());
}

}  // namespace

std::vector<NameFamily::Token> NameFamily::split(std::string_view name) {
  std::vector<Token> tokens;
  for (bool after_letter = false; !name.empty();) {
    // Within a word hexadecimal digits are letters.
    size_t size = after_letter && !is_decimal(name.front()) ? 0 : number_size(name);
    const bool is_number = size > 0;
    if (!is_number) size = 1;
    const char last = name[size - 1];
    after_letter = !is_number && ((last >= 'a' && last <= 'z') || (last >= 'A' && last <= 'Z'));
    if (is_number || tokens.empty() || tokens.back().is_number) {
      tokens.push_back({.text = std::string(name.substr(0, size)), .is_number = is_number});
    } else {
      tokens.back().text.append(name.substr(0, size));
    }
    name.remove_prefix(size);
  }
  return tokens;
}

NameFamily::NameFamily(std::string_view one, std::string_view other) {
  std::vector<Token> left = split(one);
  const std::vector<Token> right = split(other);
  if (left.size() != right.size()) return;
  for (size_t i = 0; i < left.size(); ++i) {
    if (left[i].is_number != right[i].is_number) return;
    left[i].varies = left[i].text != right[i].text;
    if (left[i].varies && !left[i].is_number) return;
  }
  tokens_ = std::move(left);
}

NameFamily NameFamily::of_link(std::string_view target, std::string_view link) {
  NameFamily family;
  family.tokens_ = split(target);
  for (Token& token : family.tokens_) token.varies = token.is_number;
  auto from = family.tokens_.begin();
  for (const Token& each : split(link)) {
    // Each of the link's numbers stands once in the target's name, in the same order.
    const auto same = std::find_if(from, family.tokens_.end(), [&](const Token& token) {
      return token.is_number && each.is_number && token.text == each.text;
    });
    if (same == family.tokens_.end()) continue;
    same->varies = false;
    from = same + 1;
  }
  return family;
}

bool NameFamily::contains(std::string_view name) const {
  const std::vector<Token> theirs = split(name);
  return !is_empty() && std::ranges::equal(tokens_, theirs, [](const Token& a, const Token& b) {
    return a.is_number == b.is_number && (a.varies || a.text == b.text);
  });
}

}  // namespace longshore::agent
