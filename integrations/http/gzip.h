// gzip (RFC 1952) of one body, for servers that unpack Content-Encoding: gzip.
#pragma once

#include <string>
#include <string_view>

namespace longshore::http {

/// Sets `out` to `text`, packed fast rather than small. `out` keeps its memory.
void gzip(std::string_view text, std::string& out);

}  // namespace longshore::http
