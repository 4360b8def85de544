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

/// Whether `next` could be made part of `queued`, the last message that waits. Overloaded for
/// messages of which any number may come.
template <typename Message>
bool join_messages(Message& /*queued*/, Message& /*next*/) {
  return false;
}

/// Thread: any may post, one takes. The number of sources bounds what waits while nobody takes: a
/// file is announced once, and touches are joined (join_messages()).
template <typename Message>
class Mailbox {
 public:
  Mailbox() : wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

  void post(Message message) {
    bool was_empty = false;
    {
      const std::lock_guard lock(mutex_);
      was_empty = messages_.empty();
      if (!was_empty && join_messages(messages_.back(), message)) return;
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
