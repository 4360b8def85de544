// Texts compressed by the formats' own libraries.
#pragma once

#include <string>

#include "agent/files/decompressor.h"

namespace longshore::fakes {

/// `text` as one member of `format`.
std::string packed(agent::Compression format, const std::string& text);
/// A valid file that takes more memory to unpack than a log may. kZstd or kXz.
std::string packed_with_a_huge_window(agent::Compression format);

}  // namespace longshore::fakes
