// Proves from a topic alone that a source is complete: each of its records carries the half-open
// range [start, end) of the source's byte stream, and consecutive ranges must meet exactly.
//
//   start      end
//     |  r1  |  r2  |          r4  |  r3  |
//                    '--hole--'            r3 behind r4: reordered, closes its hole
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "config/ids.h"

namespace longshore::audit {

/// Where a record stands in Kafka.
struct RecordPlace {
  int32_t partition = 0;
  int64_t offset = 0;
};

/// [start, end) of a source's stream.
struct ByteRange {
  uint64_t start = 0, end = 0;
  bool operator==(const ByteRange&) const = default;
};

/// What the audit needs of a record.
struct AuditedRecord {
  Position start, end;
  uint32_t flags = 0;  ///< shipper::RecordFlag.
  bool split = false;
  uint32_t part = 0;
  bool last_part = false;
};

/// Counts of records, but for the bytes.
struct AuditCounts {
  uint64_t records = 0;
  uint64_t gaps = 0;  ///< Holes that nothing has filled.
  uint64_t gap_bytes = 0;
  uint64_t duplicates = 0;  ///< Records that cover, wholly or in part, what was covered before.
  uint64_t duplicate_bytes = 0;
  uint64_t reordered = 0;       ///< Records that came behind a successor.
  uint64_t announced_gaps = 0;  ///< Records flagged "gap_before": the agent said that it lost.
  uint64_t broken_parts = 0;    ///< Parts of a split line that do not follow one another.

  bool clean() const { return gaps + duplicates + reordered + announced_gaps + broken_parts == 0; }
};

/// Thread: one. Passive; memory is bounded by kHolesMax, whatever comes.
class SourceAudit {
 public:
  static constexpr size_t kHolesMax = 4096;
  static constexpr size_t kFindingsMax = 5;

  /// Takes the next record in the topic's order.
  void add(const AuditedRecord& record, RecordPlace place);

  AuditCounts counts() const;
  /// The range from the first byte covered to the last.
  Position start() const { return {start_}; }
  Position end() const { return {end_}; }
  /// What its records cover, ascending and disjoint.
  std::vector<ByteRange> covered() const;
  uint32_t flags() const { return flags_; }
  /// The first kFindingsMax departures, one sentence each, with the place in Kafka.
  const std::vector<std::string>& findings() const { return findings_; }
  /// False once there were more than kHolesMax holes at a time: from then on what fills the oldest
  /// ones counts as a duplicate.
  bool exact() const { return exact_; }
  /// Whether its records lie in several partitions, among which Kafka has no order.
  bool several_partitions() const { return several_partitions_; }
  /// That of its first record.
  int32_t partition() const { return partition_; }

 private:
  void add_behind(const AuditedRecord& record, RecordPlace place);
  uint64_t fill(uint64_t start, uint64_t end);
  void open_hole(uint64_t start, uint64_t end, bool announced);
  void check_parts(const AuditedRecord& record, RecordPlace place);
  void note(RecordPlace place, const std::string& what);

  struct Hole {
    uint64_t end = 0;
    bool announced = false;
  };

  AuditCounts counts_;              // Without the holes still open.
  uint64_t start_ = 0, end_ = 0;    // Covered is this range less the holes.
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
