// Watches directories through inotify itself, because libuv does not report when its queue
// overflows. Writes come through a second instance: a name that appears or is renamed must be
// handled at once, while writes, of which there are many more, can be gathered.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "config/fd.h"
#include "config/limits.h"
#include "config/result.h"

namespace longshore::agent {

/// What happened in a watched directory. `name` is valid during the callback.
struct DirectoryEvent {
  enum class Kind : uint8_t {
    kGrown,      ///< `name` was written to or truncated.
    kChanged,    ///< `name` appeared, vanished or was renamed (`cookie` pairs the two halves).
    kUnwatched,  ///< The directory is gone, and so is the watch.
    kOverflow,   ///< Events were lost: everything must be scanned again.
  };
  Kind kind = Kind::kGrown;
  int watch = -1;
  std::string_view name;
  uint32_t cookie = 0;
  bool arrived = false;  ///< kChanged: `name` exists now.
};

/// The seam to inotify, replaced in tests. Thread: the watch loop.
class DirectoryWatcher {
 public:
  virtual ~DirectoryWatcher() = default;
  /// Watches the directory that an O_PATH descriptor holds. Returns the number of the watch, the
  /// same one when it is watched already. Errors: kFull, naming the sysctl to raise; kNotFound.
  virtual Result<int> watch(const Fd& directory) = 0;
  virtual void unwatch(int watch) = 0;
  /// Whether something has changed that nobody has read yet, in whatever directory.
  virtual bool has_unread() const { return false; }
};

class Inotify final : public DirectoryWatcher {
 public:
  using Visit = std::function<void(const DirectoryEvent&)>;

  static Result<Inotify> open();

  Result<int> watch(const Fd& directory) override;
  void unwatch(int watch) override;
  bool has_unread() const override;

  /// All kinds but kGrown. Each instance reports its own kOverflow.
  int changes_fd() const { return changes_.get(); }
  void read_changes(const Visit& visit);
  /// kGrown and kOverflow. A name may have been renamed or removed since.
  int writes_fd() const { return writes_.get(); }
  void read_writes(const Visit& visit);

 private:
  Inotify(Fd changes, Fd writes)
      : changes_(std::move(changes)),
        writes_(std::move(writes)),
        buffer_(limits::kInotifyBufferBytes) {}
  // Reads what is queued, at most a few thousand events.
  void read(const Fd& fd, const Visit& visit);
  void forget(int watch);

  Fd changes_, writes_;
  std::unordered_map<int, int> of_changes_, of_writes_;  // A watch -> its number in the other one.
  std::vector<char> buffer_;  // operator new aligns it for inotify_event.
};

}  // namespace longshore::agent
