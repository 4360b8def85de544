#include "checkpoint/file_identity.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cerrno>
#include <cstring>

namespace longshore::checkpoint {
namespace {

constexpr unsigned kMask = STATX_BASIC_STATS | STATX_BTIME;

FileFacts facts_of(const struct statx& stat) {
  FileFacts facts;
  facts.identity.device = makedev(stat.stx_dev_major, stat.stx_dev_minor);
  facts.identity.inode = stat.stx_ino;
  if ((stat.stx_mask & STATX_BTIME) != 0) {
    facts.identity.birth_ns = stat.stx_btime.tv_sec * 1'000'000'000 + stat.stx_btime.tv_nsec;
  }
  facts.size_bytes = stat.stx_size;
  facts.modified_ns = stat.stx_mtime.tv_sec * 1'000'000'000 + stat.stx_mtime.tv_nsec;
  facts.mode = stat.stx_mode;
  facts.links = stat.stx_nlink;
  facts.owner = stat.stx_uid;
  return facts;
}

}  // namespace

Result<FileFacts> file_facts(int fd) {
  struct statx stat {};
  if (::statx(fd, "", AT_EMPTY_PATH, kMask, &stat) == 0) return facts_of(stat);
  return Error{ErrorCode::kRetryable,
               std::string("statx of an open file: ") + std::strerror(errno)};
}

Result<FileFacts> file_facts_at(int dir_fd, const char* name) {
  struct statx stat {};
  if (::statx(dir_fd, name, AT_SYMLINK_NOFOLLOW, kMask, &stat) == 0) return facts_of(stat);
  const bool gone = errno == ENOENT || errno == ENOTDIR;
  return Error{gone ? ErrorCode::kNotFound : ErrorCode::kRetryable,
               std::string("statx of ") + name + ": " + std::strerror(errno)};
}

bool has_writer(int fd) {
  if (::fcntl(fd, F_SETLEASE, F_RDLCK) != 0) return true;
  ::fcntl(fd, F_SETLEASE, F_UNLCK);
  return false;
}

}  // namespace longshore::checkpoint
