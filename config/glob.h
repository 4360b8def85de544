// Shell-style patterns, matched in time linear in pattern times text: patterns come from
// containers.
#pragma once

#include <string_view>

namespace longshore {

/// Whether `pattern` contains any of * ? [ \ and must be matched, not opened as a name.
bool has_wildcards(std::string_view pattern);

/// Matches all of `text`: `*` any run, `?` any byte, `[a-c]`, `[!a]` or `[^a]` one byte of a set,
/// `\x` the byte x; a `[` that no `]` closes matches itself. A leading '.' of the text must be
/// matched by a literal one, so that hidden files are not collected by accident. '/' is an ordinary
/// byte: this is for one component of a path, or for names of topics.
bool glob_match(std::string_view pattern, std::string_view text);

/// Matches a whole path: glob_match() for each component; `**` as a whole component matches any
/// number of components. A pattern without '/' is matched against the file name alone.
bool path_matches(std::string_view pattern, std::string_view path);

}  // namespace longshore
