#include "agent/files/host_dir.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/limits.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "config/directory.h"
#include "config/limits.h"

namespace longshore::agent {
namespace {

constexpr uint64_t kContained = RESOLVE_NO_MAGICLINKS | RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;

std::string descriptor_path(const Fd& fd) { return "/proc/self/fd/" + std::to_string(fd.get()); }

Fd open_component(int directory, const std::string& name, uint64_t resolve) {
  struct open_how how {};
  how.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC;
  how.resolve = resolve;
  for (int attempt = 1;; ++attempt) {
    const long fd = ::syscall(SYS_openat2, directory, name.c_str(), &how, sizeof(how));
    if (fd >= 0) return Fd(static_cast<int>(fd));
    if ((errno != EAGAIN && errno != EINTR) || attempt == limits::kOpenAttemptsMax) return Fd();
  }
}

// Which mount a descriptor is on, from /proc: asking the file system itself would touch it.
uint64_t mount_id_of(const Fd& fd) {
  const auto text = read_proc_file("/proc/self/fdinfo/" + std::to_string(fd.get()));
  if (!text) return 0;
  const size_t at = text->find("mnt_id:");
  return at == std::string::npos ? 0 : std::strtoull(text->c_str() + at + 7, nullptr, 10);
}

Error error_of(int code, const std::string& path) {
  const std::string message = path + ": " + std::strerror(code);
  if (code == ENOENT || code == ENOTDIR || code == ENAMETOOLONG)
    return {ErrorCode::kNotFound, message};
  if (code == ENOSYS) return {ErrorCode::kRetryable, message + " (openat2 needs Linux 5.6)"};
  return {ErrorCode::kRetryable, message};
}

Error cannot_open(int code) {
  std::string message = std::strerror(code);
  if (code == EMFILE || code == ENFILE) return {ErrorCode::kFull, message};
  if (code == EACCES || code == EPERM) {
    message +=
        ". The agent needs root or CAP_DAC_READ_SEARCH, and a security module (SELinux, AppArmor) "
        "must let it read there: see the kernel's audit log";
  } else if (code == EAGAIN) {
    message = "another process holds a lease on it (a file server, for one), and has yet to let go";
  }
  return {ErrorCode::kRetryable, std::move(message)};
}

// `directory`/`name` is a mount point.
Result<Fd> cross_mount(const HostDir& directory, const std::string& name) {
  const std::string path = join_path(directory.path, name);
  const std::string seen = directory.tree->seen_prefix + path;
  if (auto admitted = directory.tree->mounts->admits(seen); !admitted) return admitted.error();
  Fd fd = open_component(directory.fd->get(), name, kContained);
  if (!fd) return error_of(errno, path);
  // The table may be older than the mount: the mount reached must be the one admitted.
  if (mount_id_of(fd) != directory.tree->mounts->mount_of(seen)->id) {
    return Error{ErrorCode::kRetryable, path + " was mounted just now; the next scan enters it."};
  }
  return fd;
}

}  // namespace

std::vector<std::string> split_path(const std::string& path) {
  std::vector<std::string> parts;
  for (const std::string_view part : path_components(path)) {
    if (part != ".") parts.emplace_back(part);
  }
  return parts;
}

bool is_plain_path(const std::string& path) {
  if (!path.starts_with('/') || path.size() > limits::kPathBytesMax) return false;
  if (path.find('\0') != std::string::npos) return false;
  const std::vector<std::string> parts = split_path(path);
  return std::find(parts.begin(), parts.end(), "..") == parts.end();
}

Result<HostDir> open_tree(std::string host_root, const HostMounts& mounts) {
  while (host_root.size() > 1 && host_root.ends_with('/')) host_root.pop_back();
  if (auto admitted = mounts.admits(host_root); !admitted) return admitted.error();
  Fd fd(::open(host_root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return Error{ErrorCode::kRetryable, host_root + ": " + std::strerror(errno)};
  auto tree = std::make_shared<HostTree>();
  tree->mounts = &mounts;
  tree->seen_prefix = host_root == "/" ? "" : host_root;
  tree->root = std::make_shared<Fd>(std::move(fd));
  return HostDir{.fd = tree->root, .path = "/", .tree = tree};
}

Result<Fd> open_name_only(const HostDir& directory, const std::string& name) {
  assert(!name.empty() && name != "." && name != ".." && name.find('/') == std::string::npos);
  assert(name.find('\0') == std::string::npos);
  Fd fd = open_component(directory.fd->get(), name, kContained | RESOLVE_NO_XDEV);
  if (fd) return fd;
  if (errno == EXDEV) return cross_mount(directory, name);
  return error_of(errno, join_path(directory.path, name));
}

Result<OpenedName> open_name(const HostDir& directory, const std::string& name) {
  auto fd = open_name_only(directory, name);
  if (!fd) return fd.error();
  auto facts = checkpoint::file_facts(fd->get());
  if (!facts) return facts.error();
  return OpenedName{.fd = std::move(*fd), .facts = *facts};
}

Result<HostDir> open_below(const HostDir& directory, const std::string& path) {
  HostDir at = directory;
  for (const std::string& name : split_path(path)) {
    auto fd = open_name_only(at, name);
    if (!fd) return fd.error();
    at.fd = std::make_shared<Fd>(std::move(*fd));
    at.path = join_path(at.path, name);
  }
  const auto facts = checkpoint::file_facts(at.fd->get());
  if (!facts) return facts.error();
  if (!S_ISDIR(facts->mode)) return Error{ErrorCode::kNotFound, path + " is not a directory."};
  return at;
}

Result<Fd> reopen_for_reading(const Fd& path_fd) {
  // The link in /proc leads to the very inode that is held: nothing can take its place meanwhile.
  const std::string path = descriptor_path(path_fd);
  const int flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
  Fd fd(::open(path.c_str(), flags | O_NOATIME));
  if (!fd && errno == EPERM) fd.reset(::open(path.c_str(), flags));
  if (!fd) return cannot_open(errno);
  return fd;
}

Result<std::vector<ListedName>> list_names(const HostDir& directory, size_t names_max) {
  auto fd = reopen_for_reading(*directory.fd);
  if (!fd) return Error{fd.error().code, directory.path + ": " + fd.error().message};
  std::vector<ListedName> names;
  const int failed = for_each_name(std::move(*fd), [&](const char* name, unsigned char type) {
    if (names.size() == names_max) return false;
    names.push_back({name, type});
    return true;
  });
  if (failed != 0) return error_of(failed, directory.path);
  return names;
}

OverlayMarks overlay_marks(const Fd& path_fd) {
  const std::string path = descriptor_path(path_fd);
  std::array<char, XATTR_LIST_MAX> listed;
  const ssize_t size = ::listxattr(path.c_str(), listed.data(), listed.size());
  OverlayMarks marks;
  for (ssize_t at = 0; at < size;) {
    const std::string_view name(listed.data() + at);
    at += static_cast<ssize_t>(name.size()) + 1;
    for (const std::string_view space : {"trusted.overlay.", "user.overlay."}) {
      if (!name.starts_with(space)) continue;
      const std::string_view mark = name.substr(space.size());
      marks.is_redirected |= mark == "redirect";
      marks.is_metacopy |= mark == "metacopy";
      char value = 0;
      if (mark == "opaque" && ::getxattr(path.c_str(), name.data(), &value, 1) == 1) {
        marks.is_opaque |= value == 'y';
      }
    }
  }
  return marks;
}

bool can_read_trusted_marks() {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
  if (::syscall(SYS_capget, &header, data) != 0) return false;
  return (data[0].effective & (1U << CAP_SYS_ADMIN)) != 0;
}

bool is_hollow(const OpenedName& file) {
  struct stat stat {};
  if (::fstat(file.fd.get(), &stat) != 0 || stat.st_blocks != 0 || stat.st_size == 0) return false;
  // Some file systems keep the data of a small file in its inode.
  const auto opened = reopen_for_reading(file.fd);
  if (!opened) return false;
  std::array<char, 64> begin;
  const ssize_t got = ::pread(opened->get(), begin.data(), begin.size(), 0);
  return got > 0 && std::all_of(begin.begin(), begin.begin() + got, [](char c) { return c == 0; });
}

bool is_whiteout(const OpenedName& opened) {
  if (!S_ISCHR(opened.facts.mode)) return false;
  struct stat stat {};
  return ::fstat(opened.fd.get(), &stat) == 0 && stat.st_rdev == 0;
}

}  // namespace longshore::agent
