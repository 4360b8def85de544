// Paths as text, taken apart and put together without a look at any file system.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace longshore {

/// "/a/b" -> "b"; "b" -> "b"; "/a/" -> "".
std::string_view last_component(std::string_view path);

/// The directory of a path: "/a/b" -> "/a"; "/a" -> "/"; "b" -> "".
std::string_view parent_path(std::string_view path);

/// "/a" + "b" -> "/a/b"; "/" + "b" -> "/b"; "" + "b" -> "b".
std::string join_path(std::string_view directory, std::string_view name);

/// "/a//b/./c" -> "a", "b", ".", "c": empty components are left out. Views into `path`.
std::vector<std::string_view> path_components(std::string_view path);

}  // namespace longshore
