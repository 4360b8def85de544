// Proves from a topic alone that a source is complete: each record carries its half-open range
// [start, end) of the source's byte stream, and consecutive ranges must meet exactly.
//
//   start      end
//     |  r1  |  r2  |          r4  |  r3  |
//                    '--hole--'            r3 after r4: reordered, fills its hole
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "config/ids.h"

namespace longshore::audit {

/// The place of a record in Kafka.
struct RecordPlace {
  int32_t partition = 0;
  int64_t offset = 0;
};

/// [start, end) of a source's stream.
struct ByteRange {
  uint64_t start = 0, end = 0;
  bool operator==(const ByteRange&) const = default;
};

/// The parts of a record that the audit needs.
struct AuditedRecord {
  Position start, end;
  uint32_t flags = 0;  ///< shipper::RecordFlag.
  bool split = false;
  uint32_t part = 0;
  bool last_part = false;
};

/// Counts of records, except where bytes are named.
struct AuditCounts {
  uint64_t records = 0;
  uint64_t gaps = 0;  ///< Holes that were not filled.
  uint64_t gap_bytes = 0;
  uint64_t duplicates = 0;  ///< Records whose range was covered before, wholly or in part.
  uint64_t duplicate_bytes = 0;
  uint64_t reordered = 0;       ///< Records that came after a later one.
  uint64_t announced_gaps = 0;  ///< Records flagged "gap_before": the agent reported a loss.
  uint64_t broken_parts = 0;    ///< Parts of a split line that are not consecutive.

  bool clean() const { return gaps + duplicates + reordered + announced_gaps + broken_parts == 0; }
};

/// Thread: one. Passive; kHolesMax bounds its memory for any input.
class SourceAudit {
 public:
  static constexpr size_t kHolesMax = 4096;
  static constexpr size_t kFindingsMax = 5;

  /// Adds the next record, in the topic's order.
  void add(const AuditedRecord& record, RecordPlace place);

  AuditCounts counts() const;
  /// The range from the first covered byte to the last.
  Position start() const { return {start_}; }
  Position end() const { return {end_}; }
  /// The ranges that its records cover, ascending and disjoint.
  std::vector<ByteRange> covered() const;
  uint32_t flags() const { return flags_; }
  /// The first kFindingsMax irregularities, one sentence each, with the place in Kafka.
  const std::vector<std::string>& findings() const { return findings_; }
  /// False once there were more than kHolesMax holes at a time: a record that fills one of the
  /// oldest then counts as a duplicate.
  bool exact() const { return exact_; }
  /// Whether its records are in several partitions, between which Kafka guarantees no order.
  bool several_partitions() const { return several_partitions_; }
  /// The partition of its first record.
  int32_t partition() const { return partition_; }

 private:
  void add_late(const AuditedRecord& record, RecordPlace place);
  uint64_t fill(uint64_t start, uint64_t end);
  void open_hole(uint64_t start, uint64_t end, bool announced);
  void check_parts(const AuditedRecord& record, RecordPlace place);
  void note(RecordPlace place, const std::string& what);

  struct Hole {
    uint64_t end = 0;
    bool announced = false;
  };

  AuditCounts counts_;              // Without the holes that are still open.
  uint64_t start_ = 0, end_ = 0;    // This range without the holes is covered.
  std::map<uint64_t, Hole> holes_;  // By their start; they do not touch one another.
  uint32_t flags_ = 0;
  uint32_t next_part_ = 0;
  bool in_split_ = false;
  int32_t partition_ = -1;
  bool several_partitions_ = false;
  bool exact_ = true;
  std::vector<std::string> findings_;
};

}  // namespace longshore::audit
