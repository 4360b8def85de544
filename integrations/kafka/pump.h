// Carries the records of topics into an Outlet, as a member of a consumer group, until the process
// is told to stop.
//
//   join --> turn: Outlet::work() --> commit --> pause or resume --> poll --> leave
//     ^      '------------<-------------<-------------<--------------'
//     '-- 1 s -- an error that another membership may cure
//
// Offsets are committed each second and when partitions are revoked. A partition that cannot be
// read or stored is parked: it is read again from where it stopped, after a time that doubles from
// 1 s to 10 s, while the others go on.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "config/clock.h"
#include "config/result.h"
#include "integrations/kafka/complaints.h"
#include "integrations/kafka/group_reader.h"
#include "integrations/kafka/outlet.h"
#include "integrations/kafka/progress.h"
#include "integrations/kafka/record_probe.h"
#include "integrations/kafka/stop_signals.h"
#include "integrations/kafka/topic_lives.h"

namespace longshore::kafka {

struct PumpOptions {
  GroupOptions group;
  int poll_ms = 50;
  size_t poll_records = 500;
  int close_ms = 7'000;   ///< For leaving the group.
  int64_t report_s = 10;  ///< Between two lines of progress; 0: none.
  bool once = false;      ///< Ends when all topics are read and everything is done.
  /// Finds topics that were made anew, which are then read from their beginning; null: the outlet
  /// does so itself. Must outlive the pump.
  RecordProbe* probe = nullptr;
  bool resilient = false;  ///< Kafka refusing us (ACLs) ends it only before the first record.
};

/// Thread: one.
class Pump final : private GroupListener {
 public:
  /// References must outlive the pump.
  Pump(PumpOptions options, Outlet& outlet, const Clock& clock, Stopping stopping,
       Complaints& complaints);

  /// Returns when the process is to end, or all is done with `once`. Errors: kInvalid: unusable
  /// settings, before anything was read; kFatal: it cannot go on.
  Status run();

 private:
  struct Parked {
    int64_t offset = 0;
    int64_t until_ns = 0;
    int64_t wait_ms = 0;
    int tries = 0;
    std::string reason;
  };

  Status assigned(std::vector<AssignedPartition>& partitions) override;
  void revoked() override;
  void lost() override;
  void record(const ReadRecord& record) override;
  void left_out(const PartitionKey& partition, const std::string& reason) override;
  void unreadable(const PartitionKey& partition, int64_t next, const std::string& reason) override;
  bool enough() const override { return outlet_.enough(); }

  Status serve();
  Status turn();
  bool must_wait();
  void park(const Parking& parking);
  bool is_parked(const PartitionKey& partition) const;
  void leave_parked(const PartitionKey& partition, int64_t next);
  Status end_once();
  Status commit(bool now);
  void add_idle_ends();
  void discard();
  void report(bool now);
  bool is_final(const Error& error) const;

  const PumpOptions options_;
  Outlet& outlet_;
  const Clock& clock_;
  const Stopping stopping_;
  Complaints& complaints_;
  Progress progress_;
  std::optional<TopicLives> lives_;
  std::unique_ptr<GroupReader> reader_;
  Offsets to_commit_, committed_;
  std::map<PartitionKey, Parked> parked_;
  std::map<PartitionKey, std::string> left_out_;  // Why.
  int64_t committed_ns_ = 0;                      // When offsets were last committed.
  int64_t full_since_ns_ = 0;                     // 0: the outlet is not full.
  bool waiting_ = false;  // It was full for too long: all partitions are paused.
  bool done_ = false;     // With `once`.
  uint64_t records_ = 0;
};

}  // namespace longshore::kafka
