// UTF-8 as Unicode 15 defines it (table 3-7), and what to do with bytes that are not.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace longshore {

/// One character, or one maximal subpart of an ill-formed sequence: what one U+FFFD stands for.
struct Utf8Unit {
  size_t bytes = 0;
  bool valid = false;
};

/// The unit at the start of `text`. REQUIRES: `text` is not empty.
Utf8Unit utf8_unit(std::string_view text);

bool is_utf8(std::string_view text);

/// Sets `out` to `text` with each ill-formed unit replaced by U+FFFD, as the W3C and Unicode
/// advise.
void repair_utf8(std::string_view text, std::string& out);

}  // namespace longshore
