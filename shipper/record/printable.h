// What logs and containers say is untrusted: shown as it is, it could drive the reader's terminal.
#pragma once

#include <string>
#include <string_view>

#include "shipper/record/json_escape.h"

namespace longshore::shipper {

/// `text` with all that a terminal might obey made visible: control characters as \n, \x1b and
/// \u009b, marks that change the direction of writing as \u202e, bytes that are not UTF-8 as \xff.
/// Tabs stay.
void append_printable(std::string_view text, std::string& out);
std::string printable(std::string_view text);

}  // namespace longshore::shipper
