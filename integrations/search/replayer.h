// Hands dead letters to an indexer, from where the group's last replay ended up to the ends that
// the partitions have at first: the topic may go on growing, and a letter that is refused again is
// not written a second time.
//
//   Pump --> Replayer --> Indexer (with a LetterWriter) --> BulkPool: BulkWorker
//               ^                                               |
//               +---------------- ReplayReport <----------------+
//
// Commits go up to the first letter that is still to be stored, see replay_report.h.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "integrations/kafka/outlet.h"
#include "integrations/search/indexer.h"
#include "integrations/search/letter_writer.h"
#include "integrations/search/replay_report.h"

namespace longshore::search {

struct ReplayerOptions {
  bool from_start = false;
  bool dry_run = false;  ///< Commits nothing.
};

/// Thread: the pump's.
class Replayer final : public kafka::Outlet {
 public:
  /// References must outlive it.
  Replayer(ReplayerOptions options, Indexer& indexer, const LetterWriter& writer,
           const ReplayReport& report, const Tally& tally)
      : options_(options), indexer_(indexer), writer_(writer), report_(report), tally_(tally) {}

  /// Every partition was read to its end and settled, or is left out; or the topic holds no
  /// letters. Then the pump is to be stopped.
  bool finished() const;
  /// Partitions that could not be read or stored to their ends, and why.
  const std::map<kafka::PartitionKey, std::string>& left_out() const { return left_out_; }
  /// Records were read, and none of them is a dead letter.
  bool is_no_letters() const;

  Status assigned(std::vector<kafka::AssignedPartition>& partitions) override;
  void revoked() override { indexer_.revoked(); }
  void discard() override;
  void record(const kafka::ReadRecord& record) override;
  void read_to(const kafka::PartitionKey& partition, int64_t next) override;
  bool enough() const override { return writer_.was_slow(); }
  Status work(int wait_ms) override { return indexer_.work(wait_ms); }
  bool full() const override { return indexer_.full(); }
  bool holds_back(const kafka::PartitionKey& partition) const override;
  void take_parked(std::vector<kafka::Parking>& parked) override;
  void unreadable(const kafka::PartitionKey& partition, int tries,
                  const std::string& reason) override;
  /// Never: the pump would commit the partitions' ends, beyond letters that are still to be stored.
  bool idle() const override { return false; }
  void take_done(kafka::Offsets& offsets) override;
  std::string report(const kafka::Standing& standing) override;

 private:
  struct Reading {
    int64_t next = 0, end = 0;
  };
  struct End {
    int64_t offset = 0;
    int64_t committed = -1;  // By earlier replays.
  };
  struct Tries {
    int64_t offset = -1;
    int count = 0;
  };

  bool has_letters() const { return report_.letters() + report_.count(LetterFate::kFiltered) > 0; }

  const ReplayerOptions options_;
  Indexer& indexer_;
  const LetterWriter& writer_;
  const ReplayReport& report_;
  const Tally& tally_;
  std::map<kafka::PartitionKey, Reading> ours_;
  std::map<kafka::PartitionKey, End> ends_;  // As they were when each partition was first ours.
  std::map<kafka::PartitionKey, Tries> tries_;
  std::map<kafka::PartitionKey, std::string> left_out_;
};

}  // namespace longshore::search
