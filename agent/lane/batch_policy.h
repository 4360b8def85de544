// How large and how old a lane's transactions get, and how large the batches of its sessions are.
// Both shrink when Kafka cannot take them, and grow back.
#pragma once

#include <cstddef>
#include <cstdint>

#include "config/backoff.h"
#include "config/limits.h"
#include "shipper/kafka/kafka.h"

namespace longshore::agent {

/// Thread: its lane's.
class BatchPolicy {
 public:
  BatchPolicy(size_t transaction_bytes, int64_t linger_ns);

  /// A transaction is full at this many bytes.
  size_t transaction_bytes() const { return transaction_bytes_; }
  /// When a transaction that was opened at `opened_ns` has gathered for long enough.
  int64_t due_at_ns(int64_t opened_ns) const { return opened_ns + linger_ns_; }
  /// While a transaction gathers: when to look at the sources again.
  int64_t next_look_ns(int64_t now_ns) const;

  /// A session failed with `trouble`. True: batches are smaller now, so waiting would not help.
  bool shrink(shipper::Trouble trouble, int64_t now_ns);
  /// A transaction was committed: transactions that were made smaller grow back slowly.
  void committed();

  /// For the next session.
  size_t session_bytes() const { return session_bytes_; }
  /// Batches cannot get smaller.
  bool one_record_at_a_time() const { return session_bytes_ == 1; }
  /// Whether it is time for a new session with larger batches: those of a running session cannot
  /// grow.
  bool growth_is_due(int64_t now_ns) const;
  void grow(int64_t now_ns);

 private:
  const size_t transaction_bytes_max_;
  const int64_t linger_ns_;
  size_t transaction_bytes_;
  size_t session_bytes_ = limits::kBatchBytes;
  Backoff growth_{limits::kBatchGrowthNsMin, limits::kBatchGrowthNsMax};
  int64_t growth_wait_ns_ = 0;
  int64_t next_growth_ns_ = 0;
};

}  // namespace longshore::agent
