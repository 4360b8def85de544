// What an archive is kept on: HDFS through WebHDFS or HttpFS, or a mounted file system. The calls
// are those that both can keep exactly: a whole file under a new name, and a rename that never
// replaces. Paths are relative to the archive's root, with forward slashes.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "config/result.h"
#include "integrations/http/client.h"

namespace longshore::archive {

struct Entry {
  std::string name;  ///< Without its folder.
  bool folder = false;
  int64_t bytes = 0;
  int64_t modified_ms = 0;
};

/// What became of a rename.
enum class Renamed : uint8_t {
  kDone,
  kTaken,  ///< The new name is there; nothing was changed.
  kGone,   ///< The old name is not there; the new one may be: an earlier attempt may have worked.
};

/// Thread: one. Errors of every call: kRetryable (no answer, a service that is starting, or not
/// the active one), kFull (a quota, no space), kInvalid (not permitted, no such service),
/// kCorrupt (answers that make no sense). After an error the call may have been obeyed or not.
class ArchiveTarget {
 public:
  virtual ~ArchiveTarget() = default;

  /// Entries of a folder, in no order. Errors: kNotFound.
  virtual Result<std::vector<Entry>> list(const std::string& folder) = 0;
  /// Errors: kNotFound.
  virtual Result<Entry> stat(const std::string& path) = 0;
  /// Makes a folder and those above it, durably; it may be there.
  virtual Status make_folder(const std::string& folder) = 0;
  /// Writes a file, durably. REQUIRES: a name that nobody else uses, in a folder that is there.
  /// What an attempt that failed left under it may be part of a file. `fd` is read from 0.
  virtual Status put(const std::string& path, int fd, int64_t bytes) = 0;
  virtual Status put(const std::string& path, std::string_view content) = 0;
  /// Durable, atomic, never replaces. REQUIRES: the folder of `to` is there.
  virtual Result<Renamed> rename_new(const std::string& from, const std::string& to) = 0;
  /// What is not there is removed.
  virtual Status remove(const std::string& path) = 0;
  /// Hands over the whole file in pieces; an error of `take` ends it. Errors: kNotFound.
  virtual Status read(const std::string& path,
                      const std::function<Status(std::string_view)>& take) = 0;
};

struct TargetOptions {
  std::string url;      ///< file:///dir, webhdfs://host:port[,host:port...]/dir, swebhdfs:// (TLS).
  std::string user;     ///< Of HDFS, as user.name; not with Kerberos.
  http::Access access;  ///< Kerberos, TLS.
  const std::atomic<bool>* stop = nullptr;
};

/// Talks to nobody yet. Errors: kInvalid, one sentence that names `flag`.
Result<std::unique_ptr<ArchiveTarget>> open_target(const std::string& flag,
                                                   const TargetOptions& options);

/// The whole of a small file. Errors: as read()'s, kFull.
Result<std::string> read_small(ArchiveTarget& target, const std::string& path, size_t bytes_max);

}  // namespace longshore::archive
