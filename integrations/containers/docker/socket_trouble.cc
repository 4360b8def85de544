#include "integrations/containers/docker/socket_trouble.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "config/fd.h"

namespace longshore::docker {
namespace {

// 0, or the error of the attempt.
int try_to_connect(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return ENAMETOOLONG;
  std::memcpy(address.sun_path, path.data(), path.size());
  const Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return errno;
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  return ::connect(socket.get(), generic, sizeof address) == 0 ? 0 : errno;
}

std::string forbidden(const std::string& subject, const struct stat* facts) {
  const uid_t user = ::geteuid();
  if (user == 0) {
    return subject +
           " is forbidden to root, so SELinux or AppArmor is in the way: allow it, or start the "
           "agent's container with --security-opt label=disable or apparmor=unconfined.";
  }
  if (facts == nullptr) {
    return fmt::format(
        "{} lies in a directory that user id {} may not enter: run the agent as "
        "root.",
        subject, user);
  }
  return fmt::format(
      "{} is forbidden to user id {} (it belongs to user id {} and group id {}, mode {:o}): run "
      "the agent as root.",
      subject, user, facts->st_uid, facts->st_gid, facts->st_mode & 07777u);
}

}  // namespace

std::string socket_trouble(const std::string& path) {
  const std::string subject = "Docker's socket " + path;
  struct stat facts {};
  const int unknown = ::stat(path.c_str(), &facts) == 0 ? 0 : errno;
  if (unknown == ENOENT || unknown == ENOTDIR) {
    return subject +
           " does not exist: start Docker, or give its path as --docker unix:///PATH, or --docker "
           "off.";
  }
  if (unknown == EACCES) return forbidden(subject, nullptr);
  if (unknown == 0 && S_ISDIR(facts.st_mode)) {
    return subject +
           " is a directory. Docker makes one where it shall mount a socket that does not exist: "
           "stop the agent's container, remove the directory, start Docker, then the container.";
  }
  if (unknown == 0 && !S_ISSOCK(facts.st_mode)) {
    return subject + " is not a socket: give the path of Docker's as --docker unix:///PATH.";
  }
  switch (const int error = unknown != 0 ? unknown : try_to_connect(path)) {
    case 0:
      return {};
    case EACCES:
    case EPERM:
      return forbidden(subject, &facts);
    case ECONNREFUSED:
      return subject +
             " exists, but no process listens on it: start Docker. If Docker runs, this is the "
             "socket of before its restart: mount the directory of the socket into the agent's "
             "container, not the socket alone.";
    case EAGAIN:
      return subject + " takes no more connections: Docker hangs or is overloaded; restart it.";
    default:
      return subject + " cannot be used: " + std::strerror(error) +
             "; check the path that --docker gives.";
  }
}

}  // namespace longshore::docker
