#include "integrations/audit/audit.h"

#include <fmt/format.h>

#include <algorithm>

#include "shipper/record/record_encoder.h"

namespace longshore::audit {

void SourceAudit::add(const AuditedRecord& record, RecordPlace place) {
  const bool first = counts_.records == 0;
  counts_.records += 1;
  flags_ |= record.flags;
  if (first) {
    start_ = end_ = record.start.bytes;
    partition_ = place.partition;
    // Retention, or --since, may have cut a line.
    in_split_ = record.split && record.part != 0;
    next_part_ = record.part;
  }
  several_partitions_ |= place.partition != partition_;

  const bool announced = record.flags & shipper::kFlagGapBefore;
  if (announced) {
    counts_.announced_gaps += 1;
    note(place, "the agent announces a loss before it");
  }
  if (record.start.bytes < end_) return add_late(record, place);

  if (record.start.bytes > end_) {
    if (!announced) {
      note(place, fmt::format("{} bytes [{}, {}) are skipped before it", record.start.bytes - end_,
                              end_, record.start.bytes));
    }
    open_hole(end_, record.start.bytes, announced);
    in_split_ = record.split && record.part != 0;
    next_part_ = record.part;
  }
  end_ = record.end.bytes;
  check_parts(record, place);
}

void SourceAudit::add_late(const AuditedRecord& record, RecordPlace place) {
  const uint64_t from = record.start.bytes, to = record.end.bytes;
  uint64_t fresh = 0;       // Bytes that were not covered yet,
  uint64_t fresh_late = 0;  // and those of them that precede covered ones.
  if (from < start_) {
    const uint64_t covered_to = std::min(to, start_);
    if (covered_to < start_) open_hole(covered_to, start_, false);
    fresh_late = covered_to - from;
    start_ = from;
  }
  fresh_late += fill(from, std::min(to, end_));
  fresh = fresh_late;
  if (to > end_) {
    fresh += to - end_;
    end_ = to;
    in_split_ = record.split && !record.last_part;
    next_part_ = record.part + 1;
  }
  const uint64_t again = to - from - fresh;
  if (fresh_late > 0) {
    counts_.reordered += 1;
    note(place, fmt::format("[{}, {}) came after its successor", from, to));
  }
  if (again > 0 || from == to) {
    counts_.duplicates += 1;
    counts_.duplicate_bytes += again;
    note(place, fmt::format("[{}, {}) was there already{}", from, to, fresh > 0 ? " in part" : ""));
  }
}

// Removes [start, end) from the holes. Returns how many bytes of it were in holes.
uint64_t SourceAudit::fill(uint64_t start, uint64_t end) {
  uint64_t filled = 0;
  auto at = holes_.upper_bound(start);
  if (at != holes_.begin()) --at;
  while (at != holes_.end() && at->first < end) {
    const uint64_t hole_start = at->first;
    const Hole hole = at->second;
    const uint64_t from = std::max(start, hole_start), to = std::min(end, hole.end);
    if (from >= to) {
      ++at;
      continue;
    }
    filled += to - from;
    at = holes_.erase(at);
    if (hole_start < from) holes_.emplace(hole_start, Hole{from, hole.announced});
    if (to < hole.end) at = holes_.emplace(to, Hole{hole.end, hole.announced}).first;
  }
  return filled;
}

void SourceAudit::open_hole(uint64_t start, uint64_t end, bool announced) {
  holes_.emplace(start, Hole{end, announced});
  if (holes_.size() <= kHolesMax) return;
  // The oldest hole is the least likely to be filled.
  const auto oldest = holes_.begin();
  if (!oldest->second.announced) {
    counts_.gaps += 1;
    counts_.gap_bytes += oldest->second.end - oldest->first;
  }
  holes_.erase(oldest);
  exact_ = false;
}

void SourceAudit::check_parts(const AuditedRecord& record, RecordPlace place) {
  const uint32_t expected = in_split_ ? next_part_ : 0;
  if ((in_split_ && !record.split) || (record.split && record.part != expected)) {
    counts_.broken_parts += 1;
    note(place, record.split ? fmt::format("part {} where {} was due", record.part, expected)
                             : fmt::format("part {} of a split line is missing", expected));
  }
  in_split_ = record.split && !record.last_part;
  next_part_ = record.part + 1;
}

AuditCounts SourceAudit::counts() const {
  AuditCounts counts = counts_;
  for (const auto& [start, hole] : holes_) {
    if (hole.announced) continue;
    counts.gaps += 1;
    counts.gap_bytes += hole.end - start;
  }
  return counts;
}

std::vector<ByteRange> SourceAudit::covered() const {
  std::vector<ByteRange> ranges;
  if (counts_.records == 0) return ranges;
  uint64_t from = start_;
  for (const auto& [start, hole] : holes_) {
    if (start > from) ranges.push_back({from, start});
    from = hole.end;
  }
  if (from < end_ || ranges.empty()) ranges.push_back({from, end_});
  return ranges;
}

void SourceAudit::note(RecordPlace place, const std::string& what) {
  if (findings_.size() >= kFindingsMax) return;
  findings_.push_back(
      fmt::format("partition {} offset {}: {}", place.partition, place.offset, what));
}

}  // namespace longshore::audit
