// Bytes of a log file that are no text of its lines: see agent/decode/decoder.h.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace longshore::agent {

/// How many NULs `bytes` begins with.
inline size_t count_nuls(std::string_view bytes) {
  return std::min(bytes.find_first_not_of('\0'), bytes.size());
}

/// How many NULs `bytes` ends with.
inline size_t count_last_nuls(std::string_view bytes) {
  const size_t last = bytes.find_last_not_of('\0');
  return last == std::string_view::npos ? bytes.size() : bytes.size() - last - 1;
}

/// `text` of a line that ended with '\n', which is not in it any more.
inline std::string_view without_cr(std::string_view text) {
  if (text.ends_with('\r')) text.remove_suffix(1);
  return text;
}

/// `text` begins at `offset` of its file.
inline std::string_view without_bom(std::string_view text, uint64_t offset) {
  constexpr std::string_view kBom = "\xEF\xBB\xBF";
  if (offset == 0 && text.starts_with(kBom)) text.remove_prefix(kBom.size());
  return text;
}

}  // namespace longshore::agent
