// The names in a directory.
#pragma once

#include <dirent.h>

#include <functional>
#include <memory>

#include "config/fd.h"

namespace longshore {

/// One name. `type` is DT_REG and so on; DT_UNKNOWN where the file system does not tell.
struct DirectoryName {
  const char* name = nullptr;  ///< Valid until the next call.
  unsigned char type = 0;
};

/// Lists a directory little by little: it may hold millions of names. Thread: one.
class DirectoryNames {
 public:
  /// `directory` is open for reading.
  explicit DirectoryNames(Fd directory);

  /// Every name but "." and "..", in no order. False: there are no more, or error() is not 0. A
  /// name that is renamed meanwhile may be passed over (readdir(3)).
  bool next(DirectoryName& into);
  /// The errno of the call that failed, or 0.
  int error() const { return error_; }

 private:
  struct Close {
    void operator()(DIR* stream) const { ::closedir(stream); }
  };
  std::unique_ptr<DIR, Close> stream_;
  int error_ = 0;
};

/// Calls `visit(name, type)` for every name of DirectoryNames until it returns false. `directory`
/// is open for reading and is closed. Returns 0, or the errno of the call that failed.
[[nodiscard]] int for_each_name(
    Fd directory, const std::function<bool(const char* name, unsigned char type)>& visit);

}  // namespace longshore
