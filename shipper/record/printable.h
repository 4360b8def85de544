// See config/printable.h.
#pragma once

#include "config/printable.h"
#include "shipper/record/json_escape.h"

namespace longshore::shipper {

using longshore::append_printable, longshore::printable;

}  // namespace longshore::shipper
