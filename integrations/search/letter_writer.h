// Turns dead letters into the documents that their records were to become: with the id and in the
// index that `longshore index` gave them, so that a letter that is replayed twice, or whose record
// was stored meanwhile, is found there.
//
//   letter --> its headers --> the record as it stood in Kafka --> DocumentWriter --> Bulk
//                 |                      ^
//                 +-- cut: the record is read again, and proven by its hash
//
// Index and id are those of the letter's own action, if --index gives such an index for the topic
// and the id is the record's. A letter without an action was cut short, or was never to be sent:
// its index and id are made as on the day on which the letter was written.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "config/clock.h"
#include "integrations/kafka/outlet.h"
#include "integrations/kafka/record_probe.h"
#include "integrations/search/document.h"
#include "integrations/search/letter.h"
#include "integrations/search/replay_report.h"

namespace longshore::search {

/// Which letters are replayed.
struct LetterFilter {
  std::vector<std::string> topics;  ///< Of the records; empty: all.
  std::string reason;               ///< A part of the reason.
};

/// Where the writer gets what is not in its hands.
struct LetterSources {
  std::function<std::vector<kafka::Header>(const kafka::ReadRecord& letter)> headers;
  /// Errors: kRetryable.
  std::function<Result<std::optional<kafka::RecordCopy>>(const kafka::PartitionKey& partition,
                                                         int64_t offset)>
      original;
};

/// Thread: one.
class LetterWriter final : public RecordWriter {
 public:
  /// References must outlive it.
  LetterWriter(const DocumentOptions& options, LetterFilter filter, LetterSources sources,
               const Clock& clock, ReplayReport& report);

  void set_cluster(std::string id) override { cluster_ = std::move(id); }
  /// Adds the letter to `bulk`: with its document, or with nothing to be sent if it is left out.
  void add(const kafka::ReadRecord& record, Bulk& bulk) override;
  uint64_t foreign() const override { return document_.foreign(); }

  /// Whether the last letter took a read of Kafka, which may be slow.
  bool was_slow() const { return slow_; }

 private:
  struct Left {
    LetterFate fate;
    std::string words;
  };
  /// The day on which the letter was written.
  class LetterClock final : public Clock {
   public:
    explicit LetterClock(const Clock& real) : real_(real) {}
    void set(int64_t letter_ms);
    int64_t wall_ns() const override { return wall_ns_; }
    int64_t monotonic_ns() const override { return real_.monotonic_ns(); }

   private:
    const Clock& real_;
    int64_t wall_ns_ = 0;
  };

  std::optional<Left> write(const kafka::ReadRecord& record, const Letter& letter, Bulk& bulk,
                            BulkItem& item);
  std::optional<Left> check(const Letter& letter) const;
  std::optional<Left> complete(const Letter& letter, kafka::ReadRecord& whole);
  std::optional<Left> use_action(const Letter& letter, Bulk& bulk, BulkItem& item) const;

  const IndexName index_;
  const LetterFilter filter_;
  const LetterSources sources_;
  ReplayReport& report_;
  LetterClock clock_;
  DocumentWriter document_;
  std::string cluster_;
  std::optional<kafka::RecordCopy> original_;  // Of the letter in hand, if it was cut.
  bool slow_ = false;
  kafka::Offsets counted_;  // Parked partitions are read again: each letter counts once.
};

}  // namespace longshore::search
