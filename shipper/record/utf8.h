// See config/utf8.h.
#pragma once

#include "config/utf8.h"

namespace longshore::shipper {

using longshore::is_utf8, longshore::repair_utf8, longshore::utf8_unit, longshore::Utf8Unit;

}  // namespace longshore::shipper
