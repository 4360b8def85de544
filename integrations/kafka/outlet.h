// Where a Pump delivers the records of the partitions that its group assigns to it: the index or
// the archive. The pump owns membership, polling, pauses and commits; an outlet stores records and
// tells when they are done.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "config/result.h"
#include "integrations/kafka/group_reader.h"

namespace longshore::kafka {

/// For each partition the offset before which everything is done.
using Offsets = std::map<PartitionKey, int64_t>;

/// A partition whose records from `offset` on cannot be stored for now, by no fault of the others.
struct Parking {
  PartitionKey partition;
  int64_t offset = 0;
  std::string reason;  ///< Empty: the outlet held it back until now, and it goes on there.
};

/// How far the pump's partitions are, for a line of progress.
struct Standing {
  size_t partitions = 0;
  int64_t unread = 0;                ///< Offsets from the last record handed over to the end.
  int64_t uncommitted = 0;           ///< Offsets from the committed ones to the end.
  bool waiting = false;              ///< The outlet has been full for so long that all is paused.
  double seconds = 0;                ///< Since the last line.
  std::vector<PartitionKey> parked;  ///< They wait by themselves, and are tried again.
};

/// Thread: all calls come on the pump's.
class Outlet {
 public:
  virtual ~Outlet() = default;

  /// These partitions are ours from now on. Sets `start` of each. An error ends the membership.
  /// It may block, but the group removes a member that is silent for max.poll.interval.ms.
  virtual Status assigned(std::vector<AssignedPartition>& partitions) = 0;

  /// The partitions go to other members once this returns: finish work in progress, quickly. The
  /// pump then commits what take_done() returns.
  virtual void revoked() {}

  /// No partition is ours any longer. Follows revoked(), and comes alone when the partitions are
  /// already assigned to others.
  virtual void discard() = 0;

  /// The next record of its partition, valid during the call.
  virtual void record(const ReadRecord& record) = 0;

  /// Everything of an assigned partition before `next` that may be read was handed over: offsets
  /// after its last record are those of transaction markers and aborted records. Called about once
  /// a second for each partition that is read to its end.
  virtual void read_to(const PartitionKey& /*partition*/, int64_t /*next*/) {}

  /// Asked after each record: whether work() must come before the next one.
  virtual bool enough() const { return false; }

  /// Called once each turn: does the work that is due. May wait up to `wait_ms` for room. An error
  /// ends the membership.
  virtual Status work(int wait_ms) = 0;

  /// Finishes what was taken without waiting for more: the process ends, or all topics are read.
  virtual Status flush() { return ok(); }

  /// No records at all for now; asked again after each work().
  virtual bool full() const { return false; }

  /// No records of this partition for now.
  virtual bool holds_back(const PartitionKey& /*partition*/) const { return false; }

  /// Adds the partitions that are to be parked since the last call. Each is read again from its
  /// offset after a while, which grows; take_done() must not go beyond that offset.
  virtual void take_parked(std::vector<Parking>& /*parked*/) {}

  /// The next record of `partition` could not be read, `tries` times so far. It is tried again.
  virtual void unreadable(const PartitionKey& /*partition*/, int /*tries*/,
                          const std::string& /*reason*/) {}

  /// Whether everything that was taken is done.
  virtual bool idle() const = 0;

  /// Adds what may be committed since the last call.
  virtual void take_done(Offsets& offsets) = 0;

  /// A line of progress; empty: nothing new, ask again.
  virtual std::string report(const Standing& standing) = 0;
};

}  // namespace longshore::kafka
