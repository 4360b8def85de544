// Directory watches by raw inotify, for libuv's own swallows the queue's overflow.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "config/fd.h"
#include "config/result.h"

namespace longshore::agent {

/// What happened in a watched directory. `name` is valid during the callback.
struct DirectoryEvent {
  enum class Kind : uint8_t {
    kGrown,      ///< `name` was written to or truncated.
    kChanged,    ///< `name` appeared, vanished or was renamed (`cookie` pairs the two halves).
    kUnwatched,  ///< The directory is gone, and so is the watch.
    kOverflow,   ///< Events were lost: everything has to be looked at again.
  };
  Kind kind = Kind::kGrown;
  int watch = -1;
  std::string_view name;
  uint32_t cookie = 0;
  bool arrived = false;  ///< kChanged: `name` is there now.
};

/// The seam to inotify, replaced in tests. Thread: the watch loop.
class DirectoryWatcher {
 public:
  virtual ~DirectoryWatcher() = default;
  /// Watches the directory behind an O_PATH descriptor; one watch a directory, the same number when
  /// asked again. Errors: kFull, naming the sysctl to raise; kNotFound.
  virtual Result<int> watch(const Fd& directory) = 0;
  virtual void unwatch(int watch) = 0;
};

class Inotify final : public DirectoryWatcher {
 public:
  static Result<Inotify> open();

  int fd() const { return fd_.get(); }
  Result<int> watch(const Fd& directory) override;
  void unwatch(int watch) override;

  /// Reads what is queued, at most a few thousand events, and calls `visit` for each.
  void read(const std::function<void(const DirectoryEvent&)>& visit);

 private:
  static constexpr size_t kBufferBytes = 256 << 10;
  explicit Inotify(Fd fd) : fd_(std::move(fd)), buffer_(kBufferBytes) {}
  Fd fd_;
  std::vector<char> buffer_;  // operator new aligns it for inotify_event.
};

}  // namespace longshore::agent
