// Counts open log files until whoever holds them lets go: the watch loop opens them, a lane closes
// them.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>

#include "agent/files/log_file.h"

namespace longshore::agent {

/// Thread: the watch loop; what it counts may be closed by any.
class OpenCount {
 public:
  size_t files() const { return *files_; }
  /// Something that counts as one file until its last copy is gone.
  std::shared_ptr<const void> one() const {
    ++*files_;
    return {nullptr, [files = files_](const void*) { --*files; }};
  }

 private:
  std::shared_ptr<std::atomic<size_t>> files_ = std::make_shared<std::atomic<size_t>>(0);
};

/// `file`, counted by `one` and by `other`.
inline std::shared_ptr<const OpenFile> counted(OpenFile file, const OpenCount& one,
                                               const OpenCount& other) {
  struct Counted {
    OpenFile file;
    std::shared_ptr<const void> first, second;
  };
  auto all = std::make_shared<const Counted>(Counted{std::move(file), one.one(), other.one()});
  return {all, &all->file};
}

}  // namespace longshore::agent
