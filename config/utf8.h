// UTF-8 as Unicode 15 defines it (table 3-7), and the repair of other bytes.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace longshore {

/// One character, or one maximal subpart of an ill-formed sequence, which one U+FFFD replaces.
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
