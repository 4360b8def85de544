// Hands chunks over to the current session and takes their reports.
//
//   SourceReader, OpenTransaction --Chunk--> Feed --> shipper::Session (librdkafka)
//                 ^--- chunks are free again ---- Report ---'
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "agent/lane/blame.h"
#include "agent/lane/chunk_pool.h"
#include "agent/lane/destinations.h"
#include "agent/lane/stuck_partitions.h"
#include "config/clock.h"
#include "shipper/kafka/kafka.h"

namespace longshore::agent {

/// Thread: its lane's. A delivery that fails ends the session: the call that takes its report
/// returns the error of Blame, with kSessionGone as those of a Session.
class Feed {
 public:
  Feed(const Clock& clock, Destinations& destinations, Blame& blame, StuckPartitions& stuck);

  void start(std::unique_ptr<shipper::Session> session) { session_ = std::move(session); }
  /// Destroys the session, and with it everything that was outstanding.
  void stop();
  /// REQUIRES: started.
  shipper::Session& session() { return *session_; }
  /// What the last failed call of the session meant.
  shipper::Trouble last_trouble() const;

  ChunkPool& chunks() { return chunks_; }
  Status hand_over(shipper::Chunk& chunk, Destination& to);
  /// Takes reports, waiting for them up to `timeout_ms`. Returns at once when nothing is
  /// outstanding.
  Status collect(int timeout_ms);
  /// After a failure: waits a moment for the reports of partitions that still answer.
  void collect_others();
  bool any_outstanding() const { return outstanding_ > 0; }
  /// Ends the session of a transaction that a partition holds up. Call it while waiting.
  Status look_for_stuck();
  /// One call of flush or commit. Errors: kRetryable: call again.
  Status flush(int timeout_ms);
  Status commit(int timeout_ms);
  /// A transaction with records of these topics was committed.
  void committed(const std::set<std::string>& topics);

  /// The time at which the lane counts as stalled: its memory has been full for so long that
  /// nothing can be on its way. Many sources have filled it with too little for a batch each, and
  /// librdkafka lingers. Never while there is room.
  int64_t stalled_at_ns(int64_t opened_ns) const;

 private:
  Status take_reports();

  const Clock& clock_;
  Destinations& destinations_;
  Blame& blame_;
  StuckPartitions& stuck_;
  ChunkPool chunks_;
  std::unique_ptr<shipper::Session> session_;
  std::vector<shipper::Report> reports_;
  size_t outstanding_ = 0;   // Records handed over and not reported.
  int64_t reported_ns_ = 0;  // When the broker answered last.
};

}  // namespace longshore::agent
