#include "integrations/audit/source_ledger.h"

#include <algorithm>

namespace longshore::audit {

namespace {

void list(std::vector<NamedRange>& ranges, NamedRange range) {
  if (ranges.size() < SourceLedger::kListedMax) ranges.push_back(std::move(range));
}

// [from, to) without the ascending ranges of `covered`.
std::vector<ByteRange> holes_between(uint64_t from, uint64_t to,
                                     const std::vector<ByteRange>& covered) {
  std::vector<ByteRange> holes;
  for (const ByteRange& range : covered) {
    if (range.start > from) holes.push_back({from, std::min(range.start, to)});
    from = std::max(from, range.end);
  }
  if (from < to) holes.push_back({from, to});
  return holes;
}

}  // namespace

std::string_view to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::kOpen:
      return "open";
    case Verdict::kComplete:
      return "complete";
    case Verdict::kIncomplete:
      return "incomplete";
    case Verdict::kUnknown:
      break;
  }
  return "unknown";
}

void SourceLedger::add(const shipper::LedgerView& entry) {
  const uint64_t start = entry.start.bytes, end = entry.end.bytes;
  claimed_start_ = std::min(claimed_start_, start);
  claimed_end_ = std::max(claimed_end_, end);
  switch (entry.event) {
    case LedgerEvent::kOpened:
      opened_ = std::min(opened_.value_or(start), start);
      return;
    case LedgerEvent::kClosed:
      return;
    case LedgerEvent::kEnded:
      ended_start_ = ended_ ? std::min(ended_start_, start) : start;
      ended_ = std::max(ended_.value_or(end), end);
      return;
    case LedgerEvent::kLost:
      // Losses beyond the limit count as unexplained: too strict, but never too lenient.
      if (losses_.size() < kLossesMax)
        losses_.push_back({entry.start, entry.end, std::string(entry.reason)});
      return;
    case LedgerEvent::kDoubt:
      is_unproven_ |= entry.reason == kUnseenDoubt || entry.reason == kCopyDoubt ||
                      entry.reason == kTruncatedDoubt;
      list(doubts_, {entry.start, entry.end, std::string(entry.reason)});
      return;
    case LedgerEvent::kRefused:  // Of a declared log, not of a source.
      return;
  }
}

// The ranges that are not covered, from the source's beginning to the last byte that the ledger or
// a record mentions. Leaves out those that prove nothing.
std::vector<ByteRange> SourceLedger::missing_from(const Delivered& delivered,
                                                  LedgerFindings& findings) const {
  const std::vector<ByteRange>& covered = delivered.covered;
  uint64_t from = opened_ ? *opened_ : ended_ ? ended_start_ : claimed_start_;
  uint64_t to = claimed_end_;
  if (!covered.empty()) {
    // The ledger itself may have lost its oldest entries.
    if (!opened_ && !ended_) from = std::min(from, covered.front().start);
    to = std::max(to, covered.back().end);
  }
  std::vector<ByteRange> holes = holes_between(from, to, covered);
  if (!holes.empty() && delivered.trimmed &&
      (covered.empty() || holes.front().start < covered.front().start)) {
    findings.expired_bytes = holes.front().end - holes.front().start;
    holes.erase(holes.begin());
  }
  if (!holes.empty() && delivered.held_back &&
      (covered.empty() || holes.back().start >= covered.back().end)) {
    holes.pop_back();
    findings.verdict = Verdict::kOpen;
  }
  return holes;
}

// Splits a hole into ranges that the ledger lists as lost and ranges that it does not list.
void SourceLedger::explain(ByteRange hole, LedgerFindings& findings) const {
  uint64_t at = hole.start;
  while (at < hole.end) {
    const NamedRange* loss = nullptr;
    uint64_t next = hole.end;  // Where the first loss after `at` begins.
    for (const NamedRange& named : losses_) {
      if (named.start.bytes <= at && named.end.bytes > at) loss = &named;
      if (named.start.bytes > at) next = std::min(next, named.start.bytes);
    }
    const uint64_t end = loss ? std::min(loss->end.bytes, hole.end) : next;
    list(findings.missing, {{at}, {end}, loss ? loss->reason : ""});
    (loss ? findings.losses : findings.unexplained) += 1;
    (loss ? findings.lost_bytes : findings.unexplained_bytes) += end - at;
    at = end;
  }
}

LedgerFindings SourceLedger::judge(const Delivered& delivered) const {
  LedgerFindings findings;
  findings.doubts = doubts_;
  findings.unproven = is_unproven_;
  for (const NamedRange& loss : losses_) {
    const bool known = loss.start < loss.end;
    // Without ranges in the topic, the ledger is the only source.
    if (known && delivered.ranges_known) continue;
    list(findings.missing, loss);
    findings.losses += 1;
    findings.lost_bytes += loss.end.bytes - loss.start.bytes;
  }
  const uint64_t covered_end = delivered.covered.empty() ? 0 : delivered.covered.back().end;
  const bool ended = ended_ && *ended_ >= claimed_end_ && *ended_ >= covered_end;
  if (ended) findings.total = Position{*ended_};
  if (!delivered.ranges_known) {
    findings.verdict = findings.whole() ? Verdict::kUnknown
                       : ended          ? Verdict::kIncomplete
                                        : Verdict::kOpen;
    return findings;
  }
  for (const ByteRange& hole : missing_from(delivered, findings)) explain(hole, findings);
  std::sort(findings.missing.begin(), findings.missing.end(),
            [](const auto& a, const auto& b) { return a.start < b.start; });
  if (findings.verdict == Verdict::kOpen || !ended) {
    findings.verdict = Verdict::kOpen;
  } else {
    findings.verdict = !findings.whole() ? Verdict::kIncomplete
                       : is_unproven_    ? Verdict::kUnknown
                                         : Verdict::kComplete;
  }
  return findings;
}

}  // namespace longshore::audit
