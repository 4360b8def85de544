// The names in a directory.
#pragma once

#include <functional>

#include "config/fd.h"

namespace longshore {

/// Calls `visit(name, type)` for every name but "." and "..", in no order, until it returns false.
/// `type` is DT_REG and so on; DT_UNKNOWN where the file system does not tell. A name that is
/// renamed meanwhile may be passed over (readdir(3)). `directory` is open for reading and is
/// closed. Returns 0, or the errno of the call that failed.
[[nodiscard]] int for_each_name(
    Fd directory, const std::function<bool(const char* name, unsigned char type)>& visit);

}  // namespace longshore
