// Which files of a directory a rotated log was renamed to. Names say which files to look at;
// device, inode and birth time say which one it is.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/file_identity.h"
#include "config/fd.h"
#include "config/result.h"

namespace longshore::agent {

/// The name that `file_name` had before it was rotated: "x.log" for "x.log.1", "x.log-20261121",
/// "x.log.2026-11-21-03"; empty for other names. Compressed files ("x.log.1.gz") are named too:
/// they are generations, never sources.
std::optional<std::string> rotated_base(std::string_view file_name);

bool is_compressed(std::string_view file_name);

struct Sibling {
  std::string file_name;
  checkpoint::FileFacts facts;
};

/// The uncompressed files in `directory` that `base` was rotated to, oldest first: those
/// without a rotation number by birth, then by falling number. Empty: so much is being renamed
/// there that no two lists agree, and one may have missed a file; look again later.
std::optional<std::vector<Sibling>> rotated_siblings(const Fd& directory, const std::string& base);

/// The names that uncompressed rotated files in `directory` had before.
std::set<std::string> rotated_bases(const Fd& directory);

/// The regular file in `directory` that is `identity`, under whatever name.
std::optional<Sibling> find_identity(const Fd& directory, const checkpoint::FileIdentity& identity);

/// Every regular file in `directory`, also if it is renamed meanwhile. Errors: kRetryable: some may
/// be missing.
Result<std::set<checkpoint::FileIdentity>> identities_in(const Fd& directory);

/// The same answers for many questions about one directory, from one look at it: a directory of N
/// logs is not listed N times. What is found may have been renamed since: whoever opens it by name
/// compares its identity. Short-lived. Thread: its owner's.
class DirectoryLook {
 public:
  /// As rotated_siblings() and find_identity().
  std::optional<std::vector<Sibling>> rotated(const Fd& directory, const std::string& base);
  std::optional<Sibling> find(const Fd& directory, const checkpoint::FileIdentity& identity);

 private:
  using ByBase = std::map<std::string, std::vector<Sibling>, std::less<>>;
  static ByBase list_all(const Fd& directory);

  size_t rotated_asked_ = 0, find_asked_ = 0;
  int lists_ = 0;          // That files_ was made of.
  ByBase before_, after_;  // Two lists: where they agree, nothing was passed over.
  std::map<checkpoint::FileIdentity, Sibling> files_;
};

}  // namespace longshore::agent
