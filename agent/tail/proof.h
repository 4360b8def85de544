// What proves the bytes of a file before an offset that was not reached by reading up to it.
#pragma once

#include <cstdint>

#include "agent/tail/cursor.h"
#include "config/result.h"

namespace longshore::agent {

/// Of the bytes before `offset` of the cursor's file, which is unchanged up to `proven`. The bytes
/// from there to `offset` are marked as they are now. Errors: kRetryable.
Result<Proof> prove(int fd, const Cursor& cursor, uint64_t offset, uint64_t proven);

}  // namespace longshore::agent
