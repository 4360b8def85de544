#include "integrations/audit/ledger_audit.h"

#include <fmt/format.h>

#include <algorithm>

#include "config/printable.h"

namespace longshore::audit {

namespace {

constexpr size_t kSentencesMax = 20;

// The union of two lists of ascending ranges.
std::vector<ByteRange> united(std::vector<ByteRange> all, const std::vector<ByteRange>& more) {
  all.insert(all.end(), more.begin(), more.end());
  std::sort(all.begin(), all.end(),
            [](const ByteRange& a, const ByteRange& b) { return a.start < b.start; });
  std::vector<ByteRange> merged;
  for (const ByteRange& range : all) {
    if (!merged.empty() && range.start <= merged.back().end) {
      merged.back().end = std::max(merged.back().end, range.end);
    } else {
      merged.push_back(range);
    }
  }
  return merged;
}

void mark_bounds(const AuditedTopics& topics, const SourceReport& source, Delivered& delivered) {
  for (const kafka::PartitionEnds& ends : topics.partitions) {
    if (ends.topic != source.topic) continue;
    if (!source.several_partitions && ends.partition != source.partition) continue;
    delivered.trimmed |= ends.begin > 0;
    delivered.held_back |= ends.held_back > 0;
  }
}

}  // namespace

void LedgerAudit::add(const kafka::ReadRecord& record) {
  const auto entry = parser_.parse(record.value);
  if (!entry || !is_own(*entry, record.key)) {
    strange_ += 1;
    return;
  }
  if (entry->source == SourceId{}) return add_of_lane(*entry);
  if (entry->event == LedgerEvent::kRefused) return add_refusal(*entry);
  Source& source = sources_[entry->source];
  source.ledger.add(*entry);
  source.name = entry->name;
  source.container = entry->container;
  source.path = entry->path;
  if (!entry->topic.empty()) source.topic = entry->topic;
}

void LedgerAudit::add_of_lane(const shipper::LedgerView& entry) {
  const bool lost = entry.event == LedgerEvent::kLost;
  std::vector<std::string>& sentences = lost ? problems_ : notes_;
  if (sentences.size() >= kSentencesMax) return;
  sentences.push_back(fmt::format("lane {} of {}: {}: {}", entry.lane, printable(entry.host),
                                  printable(entry.reason), printable(entry.detail)));
}

void LedgerAudit::add_refusal(const shipper::LedgerView& entry) {
  Refusal& refusal = refusals_[{entry.source, std::string(entry.reason)}];
  refusal = {.name = std::string(entry.name),
             .container = std::string(entry.container),
             .path = std::string(entry.path),
             .host = std::string(entry.host),
             .topic = std::string(entry.topic),
             .reason = std::string(entry.reason),
             .detail = std::string(entry.detail),
             .count = entry.count};
}

void LedgerAudit::join_refusals(const AuditedTopics& topics, AuditReport& report) const {
  for (const auto& [key, refusal] : refusals_) {
    const bool here = std::ranges::find(topics.names, refusal.topic) != topics.names.end();
    if (!here) {
      report.elsewhere += 1;
      continue;
    }
    report.refusals.push_back(
        {.topic = refusal.topic,
         .name = refusal.name,
         .container = refusal.container,
         .path = refusal.path,
         .reason = refusal.reason,
         .count = refusal.count,
         .sentence = fmt::format(
             "{} of {}, {}: refused: {}: {}", printable(refusal.name),
             refusal.container.empty() ? "host " + printable(refusal.host)
                                       : "container " + printable(refusal.container),
             printable(refusal.path), printable(refusal.reason), printable(refusal.detail))});
  }
}

void LedgerAudit::join(const AuditedTopics& topics, AuditReport& report) const {
  report.has_ledger = true;
  std::map<SourceId, std::vector<SourceReport*>> seen;
  for (SourceReport& source : report.sources) {
    if (const auto id = parse_source_id(source.source)) seen[*id].push_back(&source);
  }
  for (const auto& [id, source] : sources_) {
    const auto at = seen.find(id);
    if (at == seen.end()) {
      join_unseen(id, source, topics, report);
      continue;
    }
    Delivered delivered;
    for (const SourceReport* part : at->second) {
      delivered.covered = united(std::move(delivered.covered), part->covered);
      mark_bounds(topics, *part, delivered);
    }
    // A source that moved to another topic is judged once.
    at->second.back()->ledger = source.ledger.judge(delivered);
  }
  join_refusals(topics, report);
  report.problems.insert(report.problems.end(), problems_.begin(), problems_.end());
  report.notes.insert(report.notes.end(), notes_.begin(), notes_.end());
  if (strange_ > 0) {
    report.notes.push_back(
        fmt::format("{} records of the ledger's topic are not ledger entries.", strange_));
  }
  if (report.elsewhere > 0) {
    report.notes.push_back(
        fmt::format("{} sources of the ledger have no records in these topics.", report.elsewhere));
  }
}

// No record of it was read: it is empty, shipped without ranges, in another topic, or lost.
void LedgerAudit::join_unseen(SourceId id, const Source& source, const AuditedTopics& topics,
                              AuditReport& report) const {
  const bool here =
      std::find(topics.names.begin(), topics.names.end(), source.topic) != topics.names.end();
  Delivered delivered;
  delivered.ranges_known = !topics.raw.contains(id);
  if (delivered.ranges_known && !here) {
    report.elsewhere += 1;
    return;
  }
  for (const kafka::PartitionEnds& ends : topics.partitions) {
    if (ends.topic != source.topic) continue;
    delivered.trimmed |= ends.begin > 0;
    delivered.held_back |= ends.held_back > 0;
  }
  SourceReport& out = report.unseen.emplace_back();
  out.topic = source.topic;
  out.source = longshore::to_string(id);
  out.name = source.name;
  out.container = source.container;
  out.path = source.path;
  out.ledger = source.ledger.judge(delivered);
}

}  // namespace longshore::audit
