#include "shipper/record/json_object.h"

#include <algorithm>

namespace longshore::shipper {

std::string_view JsonObject::find(std::string_view line) {
  constexpr std::string_view kWhiteSpace = " \t\r\n";
  const size_t first = line.find_first_not_of(kWhiteSpace);
  if (first == std::string_view::npos || line[first] != '{') return {};
  const size_t last = line.find_last_not_of(kWhiteSpace);
  const std::string_view text = line.substr(first, last - first + 1);
  if (text.back() != '}' || text.find('\n') != std::string_view::npos) return {};

  padded_.reserve(text.size() + simdjson::SIMDJSON_PADDING);
  std::copy_n(text.data(), text.size(), padded_.data());
  std::fill_n(padded_.data() + text.size(), simdjson::SIMDJSON_PADDING, ' ');
  simdjson::dom::element root;
  if (parser_.parse(padded_.data(), text.size(), false).get(root)) return {};
  return root.is_object() ? text : std::string_view{};
}

}  // namespace longshore::shipper
