// Finds the word that was probably meant, to suggest it when an unknown word is refused.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace longshore {

/// The entry of `known` with the fewest inserted, deleted or changed characters compared to `word`;
/// the first of equals. Empty if more than a third of the word (at least two characters) would have
/// to change.
std::string nearest(std::string_view word, const std::vector<std::string>& known);

}  // namespace longshore
