// A few threads for what may take long: requests to an archive that is slow, or hangs.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace longshore::archive {

/// Thread: any.
class Workers {
 public:
  explicit Workers(size_t threads);
  /// Waits for the tasks that run, and drops those that wait.
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  /// Tasks begin in the order of these calls.
  void add(std::function<void()> task);

 private:
  void work();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> tasks_;
  bool done_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace longshore::archive
