// The threads that send bulks, and the two queues to and from them.
//
//   owner --submit()--> waiting --> a thread: work(bulk) --> done --collect()--> owner
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "config/result.h"
#include "integrations/search/bulk.h"

namespace longshore::search {

/// Thread: the owner's; rest() and ending() are for the pool's threads.
class BulkPool {
 public:
  using Work = std::function<Status(Bulk&)>;

  struct Done {
    std::shared_ptr<Bulk> bulk;
    Status status;
  };

  BulkPool() = default;
  /// Joins the threads. REQUIRES: work returns soon after ending() is true.
  ~BulkPool();
  BulkPool(const BulkPool&) = delete;
  BulkPool& operator=(const BulkPool&) = delete;

  /// `make_work` is called once for each thread.
  void start(size_t threads, const std::function<Work()>& make_work);

  void submit(std::shared_ptr<Bulk> bulk);
  /// What was finished since the last call; waits up to `timeout_ms` for a first one.
  std::vector<Done> collect(int timeout_ms);
  /// Submitted and not collected yet.
  size_t outstanding() const { return outstanding_; }
  /// Ends every rest(), so that workers notice cancelled bulks.
  void wake();

  /// Waits for `ms`, or until wake() or the end of the pool.
  void rest(int64_t ms);
  /// True once the pool is being destroyed.
  const std::atomic<bool>& ending() const { return ending_; }

 private:
  void run(const Work& work);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::shared_ptr<Bulk>> waiting_;
  std::vector<Done> done_;
  uint64_t wakes_ = 0;
  std::atomic<bool> ending_ = false;
  size_t outstanding_ = 0;
  std::vector<std::thread> threads_;
};

}  // namespace longshore::search
