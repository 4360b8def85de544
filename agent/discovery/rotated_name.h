// What the name of a file tells about rotation: which log it may have been, and how old it is among
// the files of that log. Names only find candidates; rotation.h decides by identity.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace longshore::agent {

/// The name that `file_name` had before it was rotated: "x.log" for "x.log.1", "x.log-20261121",
/// "x.log.2026-11-21-03", compressed or not; empty for other names.
std::optional<std::string> rotated_base(std::string_view file_name);

/// The rotation number of `file_name`: 7 for "x.log.7"; -1 if it has none.
int rotation_number(std::string_view file_name);

/// Compressed files are generations, never sources.
bool is_compressed(std::string_view file_name);

}  // namespace longshore::agent
