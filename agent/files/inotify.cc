#include "agent/files/inotify.h"

#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace longshore::agent {
namespace {

constexpr uint32_t kChanges =
    IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ONLYDIR | IN_EXCL_UNLINK;
constexpr uint32_t kWrites = IN_MODIFY | IN_ONLYDIR | IN_EXCL_UNLINK;

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
  Fd changes(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  Fd writes(changes ? ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC) : -1);
  if (!writes) {
    return Error{ErrorCode::kInvalid, std::string("inotify cannot be used: ") +
                                          std::strerror(errno) +
                                          "; raise fs.inotify.max_user_instances."};
  }
  return Inotify(std::move(changes), std::move(writes));
}

Result<int> Inotify::watch(const Fd& directory) {
  // Through /proc the watch lands on the very directory that was checked, whatever its name is now.
  const std::string path = "/proc/self/fd/" + std::to_string(directory.get());
  const int watch = ::inotify_add_watch(changes_.get(), path.c_str(), kChanges);
  const int writes = watch < 0 ? -1 : ::inotify_add_watch(writes_.get(), path.c_str(), kWrites);
  if (writes >= 0) {
    of_changes_[watch] = writes;
    of_writes_[writes] = watch;
    return watch;
  }
  const int cause = errno;
  if (watch >= 0) unwatch(watch);
  if (cause == ENOSPC || cause == ENOMEM) {
    return Error{ErrorCode::kFull,
                 "no inotify watch is left. Changes there are found by the sweep, seconds later; "
                 "raise fs.inotify.max_user_watches."};
  }
  return Error{ErrorCode::kNotFound, std::string("inotify_add_watch: ") + std::strerror(cause)};
}

void Inotify::unwatch(int watch) {
  ::inotify_rm_watch(changes_.get(), watch);
  const auto known = of_changes_.find(watch);
  if (known != of_changes_.end()) ::inotify_rm_watch(writes_.get(), known->second);
  forget(watch);
}

bool Inotify::has_unread() const {
  int bytes = 0;
  return ::ioctl(changes_.get(), FIONREAD, &bytes) == 0 && bytes > 0;
}

void Inotify::forget(int watch) {
  const auto known = of_changes_.find(watch);
  if (known == of_changes_.end()) return;
  of_writes_.erase(known->second);
  of_changes_.erase(known);
}

void Inotify::read_changes(const Visit& visit) {
  read(changes_, [&](const DirectoryEvent& event) {
    if (event.kind == DirectoryEvent::Kind::kUnwatched) forget(event.watch);
    visit(event);
  });
}

void Inotify::read_writes(const Visit& visit) {
  read(writes_, [&](DirectoryEvent event) {
    if (event.kind == DirectoryEvent::Kind::kOverflow) return visit(event);
    const auto known = of_writes_.find(event.watch);
    if (event.kind != DirectoryEvent::Kind::kGrown || known == of_writes_.end()) return;
    event.watch = known->second;
    visit(event);
  });
}

void Inotify::read(const Fd& fd, const Visit& visit) {
  const ssize_t got = ::read(fd.get(), buffer_.data(), buffer_.size());
  for (ssize_t at = 0; at < got;) {
    const auto* raw = reinterpret_cast<const inotify_event*>(buffer_.data() + at);
    visit(event_of(*raw));
    at += static_cast<ssize_t>(sizeof(inotify_event) + raw->len);
  }
}

}  // namespace longshore::agent
