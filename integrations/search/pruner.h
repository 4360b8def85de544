// A thread beside the running index that deletes old indices, once an hour.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "integrations/kafka/complaints.h"
#include "integrations/search/old_indices.h"

namespace longshore::search {

/// Thread: the owner's. It prunes from its construction to its destruction.
class Pruner {
 public:
  /// `clock` and `complaints` outlive it.
  Pruner(KeepOptions keep, const SearchOptions& search, const Clock& clock,
         kafka::Complaints& complaints);
  ~Pruner();
  Pruner(const Pruner&) = delete;
  Pruner& operator=(const Pruner&) = delete;

 private:
  void run();
  Status prune();

  const KeepOptions keep_;
  kafka::Complaints& complaints_;
  std::atomic<bool> ending_ = false;
  std::mutex mutex_;
  std::condition_variable changed_;
  SearchNode node_;
  OldIndices old_;
  std::thread thread_;
};

}  // namespace longshore::search
