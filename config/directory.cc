#include "config/directory.h"

#include <cerrno>
#include <string_view>
#include <utility>

namespace longshore {

DirectoryNames::DirectoryNames(Fd directory) : stream_(::fdopendir(directory.get())) {
  if (stream_ == nullptr) {
    error_ = errno;
  } else {
    directory.release();
  }
}

bool DirectoryNames::next(DirectoryName& into) {
  while (stream_ != nullptr) {
    errno = 0;
    const dirent* const entry = ::readdir(stream_.get());
    if (entry == nullptr) {
      error_ = errno;
      stream_.reset();
      break;
    }
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    into = {entry->d_name, entry->d_type};
    return true;
  }
  return false;
}

int for_each_name(Fd directory,
                  const std::function<bool(const char* name, unsigned char type)>& visit) {
  DirectoryNames names(std::move(directory));
  for (DirectoryName each; names.next(each);) {
    if (!visit(each.name, each.type)) return 0;
  }
  return names.error();
}

}  // namespace longshore
