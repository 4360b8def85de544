#include "shipper/record/json_text.h"

#include <nlohmann/json.hpp>

namespace longshore::shipper {

std::string json_text(const nlohmann::ordered_json& value) {
  return value.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace longshore::shipper
