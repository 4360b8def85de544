// Why Docker's socket cannot be connected to, in words that an operator can act on.
#pragma once

#include <string>

namespace longshore::docker {

/// One sentence with the remedy; empty if a connection can be made now. Tries to make one; never
/// blocks. Thread: any.
std::string socket_trouble(const std::string& path);

}  // namespace longshore::docker
