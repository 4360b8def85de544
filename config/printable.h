// Text from logs and containers is untrusted: shown as it is, it could drive the reader's terminal
// or forge a line of our own log.
#pragma once

#include <string>
#include <string_view>

namespace longshore {

/// Appends `text` with everything that a terminal might obey made visible: control characters as
/// \n, \x1b and \u009b, marks that change the direction of writing as \u202e, bytes that are not
/// UTF-8 as \xff. Tabs stay.
void append_printable(std::string_view text, std::string& out);
std::string printable(std::string_view text);

/// The same for several lines of our own: newlines stay.
std::string printable_lines(std::string_view text);

/// At most `bytes_max` bytes of `text`, cut between characters; "..." marks the cut.
std::string printable(std::string_view text, size_t bytes_max);

/// No ASCII control character. What such a path or value holds beyond ASCII may be in any encoding:
/// it is shown by printable() only.
bool is_printable(std::string_view text);

}  // namespace longshore
