// JSON built as a value, for everything that is not written once a line.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace longshore::shipper {

/// `value` on one line without blanks, members in the order in which they were set; bytes that are
/// not UTF-8 become U+FFFD.
std::string json_text(const nlohmann::ordered_json& value);

}  // namespace longshore::shipper
