#include "integrations/search/bulk_pool.h"

#include <chrono>
#include <utility>

namespace longshore::search {

using std::chrono::milliseconds;

BulkPool::~BulkPool() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    changed_.notify_all();
  }
  for (std::thread& thread : threads_) thread.join();
}

void BulkPool::start(size_t threads, const std::function<Work()>& make_work) {
  for (size_t i = 0; i < threads; ++i)
    threads_.emplace_back([this, work = make_work()] { run(work); });
}

void BulkPool::run(const Work& work) {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
    if (ending_) return;
    const std::shared_ptr<Bulk> bulk = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    Status status = work(*bulk);
    lock.lock();
    done_.push_back({bulk, std::move(status)});
    changed_.notify_all();
  }
}

void BulkPool::submit(std::shared_ptr<Bulk> bulk) {
  outstanding_ += 1;
  const std::lock_guard lock(mutex_);
  waiting_.push_back(std::move(bulk));
  changed_.notify_all();
}

std::vector<BulkPool::Done> BulkPool::collect(int timeout_ms) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, milliseconds(timeout_ms), [this] { return !done_.empty(); });
  std::vector<Done> done = std::exchange(done_, {});
  outstanding_ -= done.size();
  return done;
}

void BulkPool::wake() {
  const std::lock_guard lock(mutex_);
  wakes_ += 1;
  changed_.notify_all();
}

void BulkPool::rest(int64_t ms) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, milliseconds(ms),
                    [this, before = wakes_] { return ending_ || wakes_ != before; });
}

}  // namespace longshore::search
