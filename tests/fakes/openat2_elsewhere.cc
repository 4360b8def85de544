// For programs under valgrind only: Debian's valgrind does not know openat2(2), so another process,
// tests/e2e/openat2_server.py, makes the call and passes the descriptor back. A shared library for
// LD_PRELOAD; OPENAT2_SOCKET names the server.

#include <dlfcn.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstdlib>
#include <cstring>

namespace {

struct Ancillary {
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> bytes{};
};

int connect_to_server() {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const char* const path = std::getenv("OPENAT2_SOCKET");
  if (path == nullptr || std::strlen(path) >= sizeof address.sun_path) return -1;
  std::memcpy(address.sun_path, path, std::strlen(path));
  const int fd = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  if (fd >= 0 && ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0)
    return fd;
  ::close(fd);
  return -1;
}

bool ask(int server, int directory, const char* path, open_how how) {
  iovec parts[] = {{&how, sizeof how}, {const_cast<char*>(path), std::strlen(path)}};
  Ancillary ancillary;
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = 2;
  if (directory != AT_FDCWD) {
    message.msg_control = ancillary.bytes.data();
    message.msg_controllen = ancillary.bytes.size();
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof directory);
    std::memcpy(CMSG_DATA(header), &directory, sizeof directory);
  }
  return ::sendmsg(server, &message, MSG_NOSIGNAL) >= 0;
}

int answer(int server) {
  int error = EIO, fd = -1;
  iovec part{&error, sizeof error};
  Ancillary ancillary;
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = ancillary.bytes.data();
  message.msg_controllen = ancillary.bytes.size();
  if (::recvmsg(server, &message, MSG_CMSG_CLOEXEC) <= 0) error = EIO;
  if (const cmsghdr* const header = CMSG_FIRSTHDR(&message); header != nullptr)
    std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
  errno = error;
  return fd;
}

// One question a connection: threads do not wait for each other.
int open_elsewhere(int directory, const char* path, const open_how& how) {
  const int server = connect_to_server();
  if (server < 0) {
    errno = ENOSYS;
    return -1;
  }
  int fd = -1;
  if (ask(server, directory, path, how)) fd = answer(server);
  const int error = errno;
  ::close(server);
  errno = error;
  return fd;
}

}  // namespace

extern "C" long syscall(long number, ...) noexcept {
  va_list list;
  va_start(list, number);
  std::array<long, 6> words{};
  for (long& word : words) word = va_arg(list, long);
  va_end(list);
  if (number == SYS_openat2) {
    return open_elsewhere(static_cast<int>(words[0]), reinterpret_cast<const char*>(words[1]),
                          *reinterpret_cast<const open_how*>(words[2]));
  }
  using Real = long (*)(long, ...);
  static const Real real = reinterpret_cast<Real>(::dlsym(RTLD_NEXT, "syscall"));
  return real(number, words[0], words[1], words[2], words[3], words[4], words[5]);
}
