// JSON strings (RFC 8259, section 7): quotes, backslashes and control characters are escaped, in
// their short form if there is one. Everything else stays as it is.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "shipper/record/chunk.h"

namespace longshore::shipper {

/// Appends `text` as the inside of a JSON string. Runs that need no escape are copied 16 bytes at
/// a time. REQUIRES: `text` is UTF-8 and does not lie in `out`.
void append_escaped(std::string_view text, Buffer& out);

/// `text` as a JSON string, quotes included; bytes that are not UTF-8 become U+FFFD.
std::string json_string(std::string_view text);

/// How many bytes the character `byte` takes inside a JSON string: 1, 2 or 6.
size_t escaped_bytes(char byte);

}  // namespace longshore::shipper
