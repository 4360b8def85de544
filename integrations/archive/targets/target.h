// The storage of an archive: HDFS through WebHDFS or HttpFS, or a mounted file system. It has only
// calls that both can guarantee: writing a whole file under a new name, and a rename that never
// replaces a file. Paths are relative to the archive's root, with forward slashes.
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

/// The outcome of a rename.
enum class Renamed : uint8_t {
  kDone,
  kTaken,  ///< The new name exists; nothing was changed.
  kGone,   ///< The old name does not exist. The new one may: an earlier attempt may have worked.
};

/// Thread: one. Errors of every call: kRetryable (no answer, a service that is starting, or not
/// the active one), kFull (a quota, no space), kInvalid (not permitted, no such service),
/// kCorrupt (unintelligible answers). After an error the call may have taken effect or not.
class ArchiveTarget {
 public:
  virtual ~ArchiveTarget() = default;

  /// Entries of a folder, in no order. Errors: kNotFound.
  virtual Result<std::vector<Entry>> list(const std::string& folder) = 0;
  /// Errors: kNotFound.
  virtual Result<Entry> stat(const std::string& path) = 0;
  /// Creates a folder and those above it, durably, unless it exists. A root on a file system must
  /// exist: kInvalid.
  virtual Status make_folder(const std::string& folder) = 0;
  /// Writes a file, durably. A failed attempt may leave a partial file. `fd` is read from 0.
  /// REQUIRES: a name that no other process uses, in a folder that exists.
  virtual Status put(const std::string& path, int fd, int64_t bytes) = 0;
  virtual Status put(const std::string& path, std::string_view content) = 0;
  /// Durable and atomic; never replaces a file. REQUIRES: the folder of `to` exists.
  virtual Result<Renamed> rename_new(const std::string& from, const std::string& to) = 0;
  /// Succeeds if the file does not exist.
  virtual Status remove(const std::string& path) = 0;
  /// Calls `take` with the file's content, piece by piece, until it returns an error.
  /// Errors: kNotFound.
  virtual Status read(const std::string& path,
                      const std::function<Status(std::string_view)>& take) = 0;
};

struct TargetOptions {
  std::string url;      ///< file:///dir, webhdfs://host:port[,host:port...]/dir, swebhdfs:// (TLS).
  std::string user;     ///< Of HDFS, as user.name; not with Kerberos.
  http::Access access;  ///< Kerberos, TLS.
  const std::atomic<bool>* stop = nullptr;
};

/// Does not connect yet. Errors: kInvalid, one sentence that names `flag`.
Result<std::unique_ptr<ArchiveTarget>> open_target(const std::string& flag,
                                                   const TargetOptions& options);

/// The whole of a small file. Errors: as read()'s, kFull.
Result<std::string> read_small(ArchiveTarget& target, const std::string& path, size_t bytes_max);

}  // namespace longshore::archive
