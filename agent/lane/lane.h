// A lane ships its sources: reads them, streams their records into one open Kafka transaction, and
// moves the checkpoint only by the delivery protocol (CONTRIBUTING.md).
//
//   watch loop --ToLane--> [ sources -> tail -> encoder -> chunk -> Session ] --> Kafka
//                                  PREPARE (durable) -> offset -> commit -> confirmed
//
// Crash-only: whatever fails, the session is destroyed, the sources go back to their confirmed
// positions, and the lane starts as after a kill -9.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "agent/lane/chunk_pool.h"
#include "agent/lane/destinations.h"
#include "agent/lane/lane_sources.h"
#include "agent/link/mailbox.h"
#include "agent/link/messages.h"
#include "agent/link/waiter.h"
#include "checkpoint/store.h"
#include "config/clock.h"
#include "config/limits.h"
#include "shipper/kafka/kafka.h"

namespace longshore::agent {

enum class NewCluster : uint8_t { kRefuse, kContinue, kRestart };

struct LaneOptions {
  LaneId lane = {};
  std::string host_id = {};
  std::string cluster_id = {};  ///< The checkpoint's when the agent started; empty: none yet.
  std::string default_topic = {};
  std::string ledger_topic = {};  ///< Empty: the ledger stays in the checkpoint, losses only.
  bool exactly_once = true;
  bool once = false;  ///< Ship all that is there, then stop.
  bool create_topics = false;
  int32_t topic_replicas = 1;
  int64_t linger_ns = 1'000'000'000;
  size_t batch_bytes = 128 << 20;
  checkpoint::InDoubt in_doubt = checkpoint::InDoubt::kResend;
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

/// Thread: its own; run() is the thread's body. Talks to the rest through the two mailboxes only.
class Lane {
 public:
  Lane(LaneOptions options, LaneSources& sources, Destinations& destinations,
       checkpoint::Store& store, shipper::Kafka& kafka, const Clock& clock, Waiter& waiter,
       Mailbox<ToLane>& inbox, Mailbox<ToWatch>& outbox, LaneProgress& progress);
  ~Lane();

  /// Ships until told to stop or, with `once`, until all is shipped. Its last word is a
  /// LaneStopped. Errors end it only when going on would break a promise.
  void run();

 private:
  // lane.cc: the life of a session.
  Status ship();
  void rewind();
  bool wait_before_retry();
  void apply_messages();
  Status confirm_for(SourceId source);
  Status reload_unconfirmed();
  bool finished() const;
  bool stop_reading() const;
  void wait_for_work();
  void pause();
  Status keep_alive();
  Status say_alive(int64_t now_ns);
  void note_failure(const Error& error);

  // lane_blame.cc: what a failure was due to, and what the next sessions do about it.
  Error failed(const shipper::Report& report, const Destination& to);
  void heed_cause();
  void shrink_batches(shipper::Trouble trouble);
  Status grow_batches();
  bool isolating() const;
  bool may_join(const std::string& topic) const;

  // lane_transaction.cc: one transaction.
  Status stream();
  Status read_one(LaneSource& source, bool& produced);
  Status begin_transaction();
  Status produce(LaneSource& source, shipper::Chunk& chunk);
  Status hand_over(shipper::Chunk& chunk, Destination& to);
  Status collect(int timeout_ms);
  Status take_reports();
  Status flush();
  Status close_transaction();
  Status prepare(const std::vector<checkpoint::PreparedSource>& states,
                 std::vector<LedgerEntry> ledger, std::string& digest);
  Status commit_offset(TransactionNumber number, const std::string& digest);
  Status settle_store();
  bool find_destination(LaneSource& source);
  bool transaction_due() const;
  int64_t stalled_at_ns() const;

  // lane_ledger.cc: what is said of bytes beside their records.
  void take_events(LaneSource& source);
  Destination* ledger_destination();
  Status load_waiting_ledger();
  shipper::Envelope envelope_of(SourceId id);
  std::string topic_of(SourceId id);
  std::vector<LedgerEntry> ledger_of_transaction() const;
  Status produce_ledger(std::vector<LedgerEntry>& entries);

  // lane_recovery.cc: the start of a session.
  Status open_session();
  Status check_cluster();
  Status check_checkpoint_topic();
  Result<checkpoint::CommittedOffset> committed_offset(bool stable);
  Status take_over();
  Status apply(const checkpoint::Recovery& recovery);
  Status commit_confirmed_offset();
  Status ledger_lane(LedgerEvent event, const std::string& reason, const std::string& detail);
  Status ledger_prepared(const std::string& reason, const std::string& detail);

  const LaneOptions options_;
  LaneSources& sources_;
  Destinations& destinations_;
  checkpoint::Store& store_;
  shipper::Kafka& kafka_;
  const Clock& clock_;
  Waiter& waiter_;
  Mailbox<ToLane>& inbox_;
  Mailbox<ToWatch>& outbox_;
  LaneProgress& progress_;

  ChunkPool pool_;
  std::unique_ptr<shipper::Session> session_;
  std::vector<shipper::Report> reports_;
  std::vector<ToLane> unapplied_;            // Messages that wait for the store.
  std::vector<LedgerEntry> waiting_ledger_;  // Of earlier transactions, unshipped.
  std::string group_;

  std::string in_doubt_said_;  // A recovery that the ledger has, and that has to be tried again.
  bool started_over_ = false;  // Its sources are what --new-cluster=restart left of them.
  bool stopping_ = false;
  bool start_scanned_ = false;
  bool saturated_ = false;        // Something is ready, but its partition or the memory is full.
  TransactionNumber confirmed_;   // Delivered; perhaps not stored as confirmed yet.
  bool confirm_pending_ = false;  // The store still says "prepared" of `confirmed_`.
  bool open_ = false;             // A transaction is open.
  int64_t opened_ns_ = 0;
  uint64_t open_bytes_ = 0, open_records_ = 0;
  size_t outstanding_ = 0;    // Records handed over and not reported.
  int64_t reported_ns_ = 0;   // When the broker answered last.
  int64_t next_read_ns_ = 0;  // While a transaction gathers: when to look at the sources again.
  int64_t last_commit_ns_ = 0;
  int64_t next_alive_ns_ = 0;
  int64_t next_forget_ns_ = 0;  // When the retention is looked at again.
  int64_t next_settle_ns_ = 0;  // When states that drifted are stored at the earliest.
  size_t batch_bytes_now_;      // Halved after time-outs, grows back.
  size_t session_batch_bytes_ = limits::kBatchBytes;  // Shrinks when a topic takes no such batch.
  int64_t next_growth_ns_ = 0;                        // When it is tried to be larger again,
  int64_t growth_wait_ns_ = 0;                        // and how long that was waited for.
  int64_t isolate_until_ns_ = 0;       // Until then a transaction holds one topic only.
  std::set<std::string> open_topics_;  // Of the open transaction.
  bool others_wait_ = false;           // For another transaction than the open one.
  shipper::Trouble delivery_trouble_ = shipper::Trouble::kNone;  // The session's first.
  int64_t retry_ns_ = 0;  // The pause before the next session.
  int failures_ = 0;
  int64_t stop_by_ns_ = 0;  // When stopping: give the transaction up after this.
};

}  // namespace longshore::agent
