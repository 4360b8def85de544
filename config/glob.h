// Shell-style patterns, matched in time linear in pattern times text: patterns come from
// containers.
#pragma once

#include <string_view>

namespace longshore {

/// Whether `pattern` has any of * ? [ \, and so is to be matched and not opened as a name.
bool has_wildcards(std::string_view pattern);

/// Matches all of `text`: `*` any run, `?` any byte, `[a-c]`, `[!a]` or `[^a]` one byte of a set,
/// `\x` the byte x; a `[` that no `]` closes is itself. A leading '.' of the text is taken by a
/// written one only: hidden files are not collected by accident. '/' is a byte like any other: for
/// one component of a path, or names of topics.
bool glob_match(std::string_view pattern, std::string_view text);

/// Matches a whole path: as glob_match() within each component, and `**` as a whole component for
/// any number of components. A pattern without '/' is held against the file name alone.
bool path_matches(std::string_view pattern, std::string_view path);

}  // namespace longshore
