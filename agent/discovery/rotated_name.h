// What the name of a file tells about rotation: which logs it may have been. Rotation inserts a
// part before, inside or after the name of a log:
//
//   app.log  -->  app.log.1  app.1.log  app-2026-11-29.log  app.log-20261129.gz  1-app.log
//   current  -->  @400000006563a1f10b2c3d4e.s  (multilog, svlogd, s6-log)
//
// Names only find candidates; rotation.h decides by identity, content and time.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace longshore::agent {

/// The names that `file_name`, compressed or not, may have had before it was rotated, the longest
/// first; at most kRotatedBasesMax. Empty: it does not look like a rotated file.
std::vector<std::string> rotated_bases(std::string_view file_name);

/// Whether `base` is one of them, without making the others of most names.
bool is_rotated_from(std::string_view file_name, std::string_view base);

/// The rotation number that was inserted into `base`: 7 for "x.log.7" and "x.7.log". Empty if it is
/// not a number of at most five digits. REQUIRES: is_rotated_from().
std::optional<int> rotation_number(std::string_view file_name, std::string_view base);

/// Whether the name ends as those of compressed files do.
bool is_compressed(std::string_view file_name);

}  // namespace longshore::agent
