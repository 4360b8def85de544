// Finds out that a topic was deleted and made anew while a group reads it, or while it was away:
// the offsets are the same, the records are others.
//
// For each partition it remembers one record that was read, its mark. Every while it looks whether
// that record is still there. If so, all that was read before the look is of the same topic, and a
// newer record becomes the mark. The mark goes with each commit, so the next owner can look too.
//
//   record() --> candidate --looked: the mark is still there--> mark --note()--> commit
//                                  '--another record is there--> made anew: read from the beginning
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "config/clock.h"
#include "integrations/kafka/group_reader.h"
#include "integrations/kafka/record_probe.h"

namespace longshore::kafka {

/// Thread: the pump's; it looks on a thread of its own.
class TopicLives {
 public:
  /// References must outlive it.
  TopicLives(RecordProbe& probe, const Clock& clock);
  ~TopicLives();

  /// Takes on the partitions. Those are to start at their beginning whose topic turned out to be
  /// another since they were assigned last, or ends before the committed offset.
  void assigned(std::vector<AssignedPartition>& partitions);
  void discard();
  void record(const ReadRecord& record);

  /// What to commit together with an offset; empty: nothing is known.
  std::string note(const PartitionKey& partition) const;
  /// Something of the partition was committed. Until then the old place stands in Kafka.
  void committed(const PartitionKey& partition) { made_anew_.erase(partition); }

  /// Looks where it is due. Errors: kRetryable: a topic was made anew. The group has to be joined
  /// again; assigned() does the rest.
  Status turn();

 private:
  struct Life {
    RecordMark mark, candidate;  // Offset -1: none.
    int64_t looked_ns = 0;
    bool is_asked = false;
  };
  struct Question {
    PartitionKey partition;
    RecordMark mark, candidate;
  };
  using Answer = std::pair<Question, Result<Found>>;

  void work();
  Status take(const Answer& answer);
  void ask(std::vector<Question> questions);

  RecordProbe& probe_;
  const Clock& clock_;
  std::map<PartitionKey, Life> lives_;
  std::map<PartitionKey, Life>::iterator last_ = lives_.end();  // Records come in runs.
  std::set<PartitionKey> made_anew_;
  int64_t next_turn_ns_ = 0;

  std::mutex mutex_;  // Guards what follows.
  std::condition_variable wake_;
  std::deque<Question> questions_;
  std::vector<Answer> answers_;
  bool is_ending_ = false;
  std::thread thread_;
};

}  // namespace longshore::kafka
