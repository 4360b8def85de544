// One direction between the watch loop and a lane: the only lock in longshore.
#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

#include "config/fd.h"

namespace longshore::agent {

/// Thread: any may post, one takes. It has no bound of its own: the number of sources bounds what
/// is posted, because touches are gathered per source and a file is announced once.
template <typename Message>
class Mailbox {
 public:
  Mailbox() : wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

  void post(Message message) {
    bool was_empty = false;
    {
      const std::lock_guard lock(mutex_);
      was_empty = messages_.empty();
      messages_.push_back(std::move(message));
    }
    if (was_empty) signal();
  }

  /// Everything posted since the last call, in order. wake_fd() is quiet until the next post.
  std::vector<Message> take() {
    uint64_t ignored = 0;
    if (::read(wake_.get(), &ignored, sizeof ignored) < 0) ignored = 0;
    const std::lock_guard lock(mutex_);
    return std::exchange(messages_, {});
  }

  /// Readable while a message waits.
  int wake_fd() const { return wake_.get(); }

 private:
  void signal() {
    const uint64_t one = 1;
    // An eventfd refuses only at 2^64 - 1 unread signals.
    if (::write(wake_.get(), &one, sizeof one) < 0) return;
  }

  Fd wake_;
  std::mutex mutex_;
  std::vector<Message> messages_;
};

}  // namespace longshore::agent
