// Finds what somebody probably meant, for the refusal of a word that nobody knows.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace longshore {

/// The entry of `known` with the fewest inserted, deleted or changed characters against `word`;
/// empty when more than a third of the word (at least two) would have to change. Of equals the
/// first.
std::string nearest(std::string_view word, const std::vector<std::string>& known);

}  // namespace longshore
