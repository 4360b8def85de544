// The names that a symlink led to one after the other: app-2026-11-28.log, app-2026-11-29.log.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace longshore::agent {

/// What names have in common: their words, and some of their numbers. A number is a run of digits,
/// or of at least seven hexadecimal ones.
class NameFamily {
 public:
  /// The numbers that are equal in both are those of the family.
  NameFamily(std::string_view one, std::string_view other);
  /// The family of `target`, to which the symlink `link` leads: the numbers in the link's own name
  /// are those of the family.
  static NameFamily of_link(std::string_view target, std::string_view link);

  bool contains(std::string_view name) const;
  /// The two names have no words in common, so that no third can be told to belong to them.
  bool is_empty() const { return tokens_.empty(); }

 private:
  NameFamily() = default;

  struct Token {
    std::string text;
    bool is_number = false;
    bool varies = false;
  };
  static std::vector<Token> split(std::string_view name);

  std::vector<Token> tokens_;
};

}  // namespace longshore::agent
