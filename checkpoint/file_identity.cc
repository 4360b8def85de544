#include "checkpoint/file_identity.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <xxhash.h>

#include <array>
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
  facts.changed_ns = stat.stx_ctime.tv_sec * 1'000'000'000 + stat.stx_ctime.tv_nsec;
  facts.mode = stat.stx_mode;
  facts.links = stat.stx_nlink;
  facts.owner = stat.stx_uid;
  return facts;
}

// The file handle contains the inode's generation number; name_to_handle_at(2).
int64_t instead_of_birth(int dir_fd, const char* name, int flags) {
  alignas(file_handle) std::array<char, sizeof(file_handle) + MAX_HANDLE_SZ> bytes{};
  auto* const handle = reinterpret_cast<file_handle*>(bytes.data());
  handle->handle_bytes = MAX_HANDLE_SZ;
  int mount = 0;
  if (::name_to_handle_at(dir_fd, name, handle, &mount, flags) != 0) return 0;
  return -1 - static_cast<int64_t>(XXH3_64bits(bytes.data(), bytes.size()) >> 1);
}

Result<FileFacts> look(int dir_fd, const char* name, int flags, const std::string& what) {
  struct statx stat {};
  if (::statx(dir_fd, name, flags | AT_SYMLINK_NOFOLLOW, kMask, &stat) == 0) {
    FileFacts facts = facts_of(stat);
    if (facts.identity.birth_ns == 0) {
      facts.identity.birth_ns = instead_of_birth(dir_fd, name, flags);
    }
    return facts;
  }
  const bool gone = errno == ENOENT || errno == ENOTDIR;
  return Error{gone ? ErrorCode::kNotFound : ErrorCode::kRetryable,
               "statx of " + what + ": " + std::strerror(errno)};
}

}  // namespace

Result<FileFacts> file_facts(int fd) { return look(fd, "", AT_EMPTY_PATH, "an open file"); }

Result<FileFacts> file_facts_at(int dir_fd, const char* name) {
  return look(dir_fd, name, 0, name);
}

bool has_writer(int fd) {
  if (::fcntl(fd, F_SETLEASE, F_RDLCK) != 0) return true;
  ::fcntl(fd, F_SETLEASE, F_UNLCK);
  return false;
}

}  // namespace longshore::checkpoint
