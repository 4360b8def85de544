// What a lane is made with: its settings, and its seams to the world around it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

#include "agent/link/mailbox.h"
#include "agent/link/messages.h"
#include "agent/link/waiter.h"
#include "checkpoint/store.h"
#include "config/clock.h"
#include "config/limits.h"
#include "config/recovery_choice.h"
#include "shipper/kafka/kafka.h"

namespace longshore::agent {

struct LaneOptions {
  LaneId lane = {};
  std::string host_id = {};
  std::string cluster_id = {};  ///< The checkpoint's when the agent started; empty: none yet.
  std::string default_topic = {};
  std::string ledger_topic = {};  ///< Empty: the ledger stays in the checkpoint, losses only.
  bool exactly_once = true;
  bool once = false;  ///< Ship everything that is there, then stop.
  bool create_topics = false;
  int32_t topic_replicas = 1;
  int64_t linger_ns = 1'000'000'000;
  size_t batch_bytes = 128 << 20;  ///< Of a transaction.
  InDoubt in_doubt = InDoubt::kResend;
  NewCluster new_cluster = NewCluster::kRefuse;
  int64_t retention_ns = int64_t{7} * 24 * 3600 * 1'000'000'000;
};

/// What an observer may read at any time, from any thread.
struct LaneProgress {
  std::atomic<uint64_t> bytes_read{0};
  std::atomic<uint64_t> bytes_total{0};
  std::atomic<uint64_t> records_confirmed{0};
  std::atomic<uint64_t> sources{0};
};

/// Thread: the lane's, but for the mailboxes and the progress.
struct LaneSetup {
  LaneOptions options;
  checkpoint::Store& store;
  shipper::Kafka& kafka;
  const Clock& clock;
  Waiter& waiter;
  Mailbox<ToLane>& inbox;
  Mailbox<ToWatch>& outbox;
  LaneProgress& progress;

  /// Waits a moment before a call is repeated.
  void pause() const { waiter.wait(clock.monotonic_ns() + limits::kCallAgainNs, {}); }
};

}  // namespace longshore::agent
