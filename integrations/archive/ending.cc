#include "integrations/archive/ending.h"

#include <chrono>
#include <cstdlib>

#include "config/limits.h"

namespace longshore::archive {

using std::chrono::milliseconds;

Ending::Ending() : watch_([this] { watch(); }) {}

Ending::~Ending() {
  {
    const std::lock_guard lock(mutex_);
    done_ = true;
    changed_.notify_all();
  }
  watch_.join();
}

bool Ending::stopping(int timeout_ms) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, milliseconds(timeout_ms), [this] { return stopping_; });
}

bool Ending::wait_until_done(int timeout_ms) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, milliseconds(timeout_ms), [this] { return done_; });
}

void Ending::watch() {
  constexpr int kTickMs = 50;
  while (!signals_.raised(kTickMs)) {
    if (wait_until_done(0)) return;
  }
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  if (wait_until_done(limits::kArchivePublishMs)) return;
  overdue_ = true;
  if (wait_until_done(limits::kArchiveEndMs - limits::kArchivePublishMs)) return;
  // Nothing is lost: what was not published is read again from Kafka.
  std::_Exit(0);
}

}  // namespace longshore::archive
