#include "agent/inotify.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace longshore::agent {
namespace {

constexpr uint32_t kMask =
    IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_MODIFY | IN_ONLYDIR | IN_EXCL_UNLINK;
DirectoryEvent event_of(const inotify_event& raw) {
  DirectoryEvent event;
  event.watch = raw.wd;
  event.cookie = raw.cookie;
  if (raw.len > 0) event.name = std::string_view(raw.name);
  if ((raw.mask & IN_Q_OVERFLOW) != 0) {
    event.kind = DirectoryEvent::Kind::kOverflow;
  } else if ((raw.mask & (IN_IGNORED | IN_UNMOUNT)) != 0) {
    event.kind = DirectoryEvent::Kind::kUnwatched;
  } else if ((raw.mask & IN_MODIFY) != 0) {
    event.kind = DirectoryEvent::Kind::kGrown;
  } else {
    event.kind = DirectoryEvent::Kind::kChanged;
    event.arrived = (raw.mask & (IN_CREATE | IN_MOVED_TO)) != 0;
  }
  return event;
}

}  // namespace

Result<Inotify> Inotify::open() {
  Fd fd(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!fd) {
    return Error{ErrorCode::kInvalid, std::string("inotify cannot be used: ") +
                                          std::strerror(errno) +
                                          "; raise fs.inotify.max_user_instances."};
  }
  return Inotify(std::move(fd));
}

Result<int> Inotify::watch(const Fd& directory) {
  // Through /proc the watch lands on the very directory that was checked, whatever its name is now.
  const std::string path = "/proc/self/fd/" + std::to_string(directory.get());
  const int watch = ::inotify_add_watch(fd_.get(), path.c_str(), kMask);
  if (watch >= 0) return watch;
  if (errno == ENOSPC || errno == ENOMEM) {
    return Error{ErrorCode::kFull,
                 "no more inotify watches; raise fs.inotify.max_user_watches. Until then changes "
                 "there are found by the sweep."};
  }
  return Error{ErrorCode::kNotFound, std::string("inotify_add_watch: ") + std::strerror(errno)};
}

void Inotify::unwatch(int watch) { ::inotify_rm_watch(fd_.get(), watch); }

void Inotify::read(const std::function<void(const DirectoryEvent&)>& visit) {
  const ssize_t got = ::read(fd_.get(), buffer_.data(), buffer_.size());
  for (ssize_t at = 0; at < got;) {
    const auto* raw = reinterpret_cast<const inotify_event*>(buffer_.data() + at);
    visit(event_of(*raw));
    at += static_cast<ssize_t>(sizeof(inotify_event) + raw->len);
  }
}

}  // namespace longshore::agent
