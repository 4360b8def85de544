// Sends bytes over a socket of a test's own server.
#pragma once

#include <sys/socket.h>

#include <string>

namespace longshore::fakes {

/// False once the other side is gone. Thread: any.
inline bool send_all(int fd, const std::string& bytes) {
  for (size_t sent = 0; sent < bytes.size();) {
    const ssize_t count = ::send(fd, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (count <= 0) return false;
    sent += static_cast<size_t>(count);
  }
  return true;
}

}  // namespace longshore::fakes
