#include "integrations/archive/targets/file_target.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>
#include <vector>

#include "config/directory.h"
#include "config/path.h"

namespace longshore::archive {

namespace {

constexpr size_t kPieceBytes = 1 << 20;

Error system_error(std::string_view what, const std::string& path, int code) {
  ErrorCode kind = ErrorCode::kRetryable;
  if (code == ENOENT) kind = ErrorCode::kNotFound;
  if (code == ENOSPC || code == EDQUOT) kind = ErrorCode::kFull;
  if (code == EACCES || code == EPERM || code == EROFS || code == ENOTDIR || code == ENAMETOOLONG)
    kind = ErrorCode::kInvalid;
  return {kind, fmt::format("could not {} {}: {}", what, path, std::strerror(code))};
}

Status sync_folder(std::string_view folder) {
  const std::string path(folder);
  const Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd || ::fsync(fd.get()) != 0) return system_error("sync", path, errno);
  return ok();
}

Entry entry_of(std::string name, const struct stat& found) {
  return {.name = std::move(name),
          .folder = S_ISDIR(found.st_mode),
          .bytes = found.st_size,
          .modified_ms = int64_t{found.st_mtim.tv_sec} * 1000 + found.st_mtim.tv_nsec / 1'000'000};
}

Status write_all(int fd, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_error("write", path, errno);
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return ok();
}

Status finish(const Fd& fd, const std::string& path) {
  if (::fsync(fd.get()) != 0) return system_error("sync", path, errno);
  return sync_folder(parent_path(path));
}

}  // namespace

FileTarget::FileTarget(std::string root) : root_(std::move(root)) {}

std::string FileTarget::full(const std::string& path) const {
  return path.empty() ? root_ : root_ + "/" + path;
}

Result<std::vector<Entry>> FileTarget::list(const std::string& folder) {
  const std::string path = full(folder);
  Fd open(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!open) return system_error("list", path, errno);
  const int directory = open.get();
  std::vector<Entry> entries;
  std::optional<Error> failed;
  const int code = for_each_name(std::move(open), [&](const char* name, unsigned char) {
    struct stat found {};
    if (::fstatat(directory, name, &found, AT_SYMLINK_NOFOLLOW) == 0) {
      entries.push_back(entry_of(name, found));
    } else if (errno != ENOENT) {  // Else it was removed meanwhile.
      failed = system_error("look at", join_path(path, name), errno);
    }
    return !failed;
  });
  if (failed) return *failed;
  if (code != 0) return system_error("list", path, code);
  return entries;
}

Result<Entry> FileTarget::stat(const std::string& path) {
  struct stat found {};
  if (::lstat(full(path).c_str(), &found) != 0) return system_error("look at", full(path), errno);
  return entry_of(std::string(last_component(path)), found);
}

Status FileTarget::make_folder(const std::string& folder) {
  const std::string path = full(folder);
  struct stat found {};
  if (::stat(path.c_str(), &found) == 0) {
    if (S_ISDIR(found.st_mode)) return ok();
    return Error{ErrorCode::kInvalid, fmt::format("{} is not a folder", path)};
  }
  // Making the root would fill the wrong disk where it is on a file system that is not mounted.
  if (::stat(root_.c_str(), &found) != 0 && errno == ENOENT) {
    return Error{
        ErrorCode::kInvalid,
        fmt::format("there is no folder {0}: mount it, or make it with 'mkdir -p {0}'", root_)};
  }
  // From the top down, syncing the parent of each.
  for (size_t at = root_.size(); at != std::string::npos;) {
    at = path.find('/', at + 1);
    const std::string part = path.substr(0, at);
    if (::mkdir(part.c_str(), 0777) == 0) {
      if (Status status = sync_folder(parent_path(part)); !status) return status;
    } else if (errno != EEXIST) {
      const bool read_only = errno == EROFS && ::access(part.c_str(), F_OK) == 0;
      if (!read_only) return system_error("make the folder", part, errno);
    }
  }
  return ok();
}

Result<Fd> FileTarget::create(const std::string& path) const {
  Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (!fd) return system_error("make", path, errno);
  return fd;
}

Status FileTarget::put(const std::string& path, int fd, int64_t bytes) {
  Result<Fd> out = create(full(path));
  if (!out) return out.error();
  std::vector<char> piece(kPieceBytes);
  for (int64_t at = 0; at < bytes;) {
    const ssize_t n = ::pread(fd, piece.data(), piece.size(), at);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_error("read the spool for", full(path), errno);
    if (n == 0)
      return Error{ErrorCode::kCorrupt, "the spool file is shorter than what was written to it"};
    const std::string_view read(piece.data(), static_cast<size_t>(n));
    if (Status status = write_all(out->get(), read, full(path)); !status) return status;
    at += n;
  }
  return finish(*out, full(path));
}

Status FileTarget::put(const std::string& path, std::string_view content) {
  Result<Fd> out = create(full(path));
  if (!out) return out.error();
  if (Status status = write_all(out->get(), content, full(path)); !status) return status;
  return finish(*out, full(path));
}

// If the file system has no exclusive rename (NFS), a hard link is exclusive too.
Result<Renamed> FileTarget::rename_new(const std::string& from, const std::string& to) {
  const std::string source = full(from), target = full(to);
  int code = 0;
  if (::renameat2(AT_FDCWD, source.c_str(), AT_FDCWD, target.c_str(), RENAME_NOREPLACE) != 0)
    code = errno;
  if (code == EINVAL || code == ENOSYS) {
    code = ::link(source.c_str(), target.c_str()) == 0 ? 0 : errno;
    if (code == 0 && ::unlink(source.c_str()) != 0) return system_error("unlink", source, errno);
  }
  if (code == EEXIST) return Renamed::kTaken;
  if (code == ENOENT) {
    struct stat found {};
    if (::lstat(source.c_str(), &found) != 0 && errno == ENOENT) return Renamed::kGone;
  }
  if (code != 0) return system_error("rename " + source + " to", target, code);
  for (const std::string_view folder : {parent_path(target), parent_path(source)}) {
    if (Status status = sync_folder(folder); !status) return status.error();
  }
  return Renamed::kDone;
}

Status FileTarget::remove(const std::string& path) {
  if (::unlink(full(path).c_str()) == 0 || errno == ENOENT) return ok();
  return system_error("remove", full(path), errno);
}

Status FileTarget::read(const std::string& path,
                        const std::function<Status(std::string_view)>& take) {
  const Fd fd(::open(full(path).c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return system_error("open", full(path), errno);
  std::vector<char> piece(kPieceBytes);
  for (;;) {
    const ssize_t n = ::read(fd.get(), piece.data(), piece.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_error("read", full(path), errno);
    if (n == 0) return ok();
    if (Status status = take({piece.data(), static_cast<size_t>(n)}); !status) return status;
  }
}

}  // namespace longshore::archive
