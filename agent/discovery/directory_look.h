// What one directory holds: the rotated files of a log, the file with a given identity. Names say
// which files to look at; device, inode and birth time say which one it is.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "checkpoint/file_identity.h"
#include "config/fd.h"
#include "config/result.h"

namespace longshore::agent {

/// A regular file under the name that it has, or just had, in its directory.
struct NamedFile {
  std::string file_name;
  checkpoint::FileFacts facts;
};

/// The uncompressed files in `directory` that the log `base` was rotated to, oldest first: those
/// without a rotation number by birth, then those with one by falling number. Empty: files are
/// being renamed so fast that no two listings agree, so one may be missing; look again later.
std::optional<std::vector<NamedFile>> rotated_files(const Fd& directory, const std::string& base);

/// The names that the uncompressed rotated files in `directory` had before they were rotated.
std::set<std::string> rotated_bases(const Fd& directory);

/// The regular file in `directory` that is `identity`, whatever its name.
std::optional<NamedFile> find_identity(const Fd& directory,
                                       const checkpoint::FileIdentity& identity);

/// Every regular file in `directory`, even one that is renamed while it is listed. Errors:
/// kRetryable: some may be missing.
Result<std::set<checkpoint::FileIdentity>> identities_in(const Fd& directory);

/// Answers many questions about one directory from one look at it, so that a directory of N logs is
/// not listed N times. A file may have been renamed since: compare its identity when you open it.
/// Short-lived. Thread: its owner's.
class DirectoryLook {
 public:
  /// As rotated_files() and find_identity().
  std::optional<std::vector<NamedFile>> rotated(const Fd& directory, const std::string& base);
  std::optional<NamedFile> find(const Fd& directory, const checkpoint::FileIdentity& identity);

 private:
  using ByBase = std::map<std::string, std::vector<NamedFile>, std::less<>>;
  static ByBase list_all(const Fd& directory);

  size_t rotated_asked_ = 0, find_asked_ = 0;
  int listings_ = 0;       // How many listings files_ was made from.
  ByBase before_, after_;  // Two listings: where they agree, neither missed a file.
  std::map<checkpoint::FileIdentity, NamedFile> files_;
};

}  // namespace longshore::agent
