#include "config/directory.h"

#include <dirent.h>

#include <cerrno>
#include <memory>
#include <string_view>

namespace longshore {

int for_each_name(Fd directory,
                  const std::function<bool(const char* name, unsigned char type)>& visit) {
  const auto close = [](DIR* stream) { ::closedir(stream); };
  const std::unique_ptr<DIR, decltype(close)> stream(::fdopendir(directory.get()), close);
  if (!stream) return errno;
  directory.release();
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(stream.get());
    if (entry == nullptr) return errno;
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    if (!visit(entry->d_name, entry->d_type)) return 0;
  }
}

}  // namespace longshore
