#include "integrations/audit/audit_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <numeric>

#include "config/printable.h"
#include "shipper/record/json_text.h"

namespace longshore::audit {

namespace {

constexpr size_t kColumns = 9;
constexpr size_t kRowsMax = 50;
constexpr size_t kDetailedMax = 50;  // Sources whose findings are shown.
constexpr size_t kFirstNumber = 4;   // Numbers are right-aligned, except for the range.
using Json = nlohmann::ordered_json;
using Row = std::array<std::string, kColumns>;
constexpr std::string_view kRed = "\x1b[31m", kGreen = "\x1b[32m", kPlain = "\x1b[0m";

AuditCounts total(const AuditReport& report) {
  AuditCounts sum;
  for (const SourceReport& source : report.sources) {
    sum.records += source.counts.records;
    sum.gaps += source.counts.gaps;
    sum.gap_bytes += source.counts.gap_bytes;
    sum.duplicates += source.counts.duplicates;
    sum.duplicate_bytes += source.counts.duplicate_bytes;
    sum.reordered += source.counts.reordered;
    sum.announced_gaps += source.counts.announced_gaps;
    sum.broken_parts += source.counts.broken_parts;
  }
  return sum;
}

uint64_t raw_records(const AuditReport& report) {
  return std::accumulate(report.raw.begin(), report.raw.end(), uint64_t{0},
                         [](uint64_t sum, const RawReport& raw) { return sum + raw.records; });
}

/// The ledger's findings for all sources.
struct LedgerTotals {
  uint64_t complete = 0, open = 0, incomplete = 0;
  uint64_t losses = 0, lost_bytes = 0, unexplained_bytes = 0, doubts = 0;
};

LedgerTotals ledger_total(const AuditReport& report) {
  LedgerTotals sum;
  for (const auto* sources : {&report.sources, &report.unseen}) {
    for (const SourceReport& source : *sources) {
      const LedgerFindings& ledger = source.ledger;
      sum.complete += ledger.verdict == Verdict::kComplete;
      sum.open += ledger.verdict == Verdict::kOpen;
      sum.incomplete += ledger.verdict == Verdict::kIncomplete;
      sum.losses += ledger.losses;
      sum.lost_bytes += ledger.lost_bytes;
      sum.unexplained_bytes += ledger.unexplained_bytes;
      sum.doubts += ledger.doubts.size();
    }
  }
  return sum;
}

std::string joined(const std::vector<std::string>& words) {
  return words.empty() ? "" : fmt::format("{}", fmt::join(words, ","));
}

std::string plural(uint64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : noun.ends_with('s') ? "es" : "s");
}

Row row_of(const SourceReport& source) {
  const AuditCounts& counts = source.counts;
  return {source.source,
          printable(source.name),
          source.container.empty() ? "-" : printable(source.container),
          printable(source.topic),
          std::to_string(counts.records),
          fmt::format("[{},{})", source.start.bytes, source.end.bytes),
          std::to_string(counts.gaps),
          std::to_string(counts.duplicates),
          std::to_string(counts.reordered)};
}

std::string rows_text(const AuditReport& report, bool colours) {
  std::vector<Row> rows = {{"SOURCE", "NAME", "CONTAINER", "TOPIC", "RECORDS", "RANGE", "GAPS",
                            "DUPLICATES", "REORDERED"}};
  const bool all = report.sources.size() <= kRowsMax;
  std::vector<const SourceReport*> shown;
  for (const SourceReport& source : report.sources) {
    if ((!all && source.clean()) || shown.size() >= kRowsMax) continue;
    shown.push_back(&source);
    rows.push_back(row_of(source));
  }
  if (shown.empty()) return {};
  std::array<size_t, kColumns> widths{};
  for (const Row& row : rows) {
    for (size_t i = 0; i < kColumns; ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string out;
  for (size_t r = 0; r < rows.size(); ++r) {
    const SourceReport* source = r > 0 ? shown[r - 1] : nullptr;
    const bool wrong = source && !source->clean();
    if (wrong && colours) out += kRed;
    for (size_t i = 0; i < kColumns; ++i) {
      const std::string& cell = rows[r][i];
      out += i < kFirstNumber || i == 5 ? fmt::format("{:<{}}", cell, widths[i])
                                        : fmt::format("{:>{}}", cell, widths[i]);
      if (i + 1 < kColumns) out += "  ";
    }
    if (source && !source->flags.empty()) out += "  " + joined(source->flags);
    if (source && source->ledger.verdict != Verdict::kUnknown)
      out += fmt::format("  {}", to_string(source->ledger.verdict));
    if (source && source->compared) out += source->difference.empty() ? "  equal" : "  differs";
    if (wrong && colours) out += kPlain;
    out += '\n';
  }
  return out;
}

std::string range_text(const NamedRange& range) {
  if (range.start == range.end) return fmt::format("an unknown length at {}", range.start.bytes);
  return fmt::format("bytes [{}, {})", range.start.bytes, range.end.bytes);
}

std::string ledger_details(const std::string& who, const LedgerFindings& ledger) {
  std::string out;
  for (const NamedRange& range : ledger.missing) {
    const bool one = range.start == range.end;
    out += fmt::format("{}: {} {} not there: {}\n", who, range_text(range), one ? "is" : "are",
                       range.reason.empty() ? "not in the ledger" : printable(range.reason));
  }
  const uint64_t missing = ledger.losses + ledger.unexplained;
  if (missing > ledger.missing.size())
    out += fmt::format("{}: and {} further ranges\n", who, missing - ledger.missing.size());
  for (const NamedRange& range : ledger.doubts) {
    out +=
        fmt::format("{}: {}: {}\n", who,
                    range.reason.empty() ? "in doubt" : printable(range.reason), range_text(range));
  }
  if (ledger.expired_bytes > 0) {
    out += fmt::format("{}: its first {} were deleted by the retention of the topic\n", who,
                       plural(ledger.expired_bytes, "byte"));
  }
  return out;
}

std::string details_of(const SourceReport& source) {
  std::string out;
  std::string who = fmt::format("{} {}", source.source, printable(source.name));
  if (!source.container.empty()) {
    who += " of container " + printable(source.container);
  } else if (!source.path.empty()) {
    who += " (" + printable(source.path) + ")";
  }
  for (const std::string& finding : source.findings) out += fmt::format("{}: {}\n", who, finding);
  const AuditCounts& counts = source.counts;
  if (counts.gaps + counts.duplicates > 0) {
    out += fmt::format("{}: {} missing, {} twice\n", who, plural(counts.gap_bytes, "byte"),
                       plural(counts.duplicate_bytes, "byte"));
  }
  if (!source.exact)
    out += who + ": more than 4096 holes at a time: records that fill the oldest count as twice\n";
  if (source.several_partitions && !counts.clean())
    out += who + ": its records are in several partitions, and Kafka keeps no order between them\n";
  if (!source.difference.empty()) out += fmt::format("{}: {}\n", who, printable(source.difference));
  return out + ledger_details(who, source.ledger);
}

// Details of the sources, those with problems first.
std::string all_details(const AuditReport& report) {
  std::string out;
  size_t shown = 0, left = 0;
  for (const bool wrong : {true, false}) {
    for (const auto* sources : {&report.sources, &report.unseen}) {
      for (const SourceReport& source : *sources) {
        if (source.clean() == wrong) continue;
        const std::string details = details_of(source);
        if (details.empty()) continue;
        if (shown < kDetailedMax) out += details;
        (shown < kDetailedMax ? shown : left) += 1;
      }
    }
  }
  if (left > 0) out += fmt::format("and details of {} more\n", plural(left, "source"));
  return out;
}

std::string ledger_summary(const AuditReport& report) {
  if (!report.has_ledger) return {};
  const LedgerTotals sum = ledger_total(report);
  std::string out = fmt::format(", {} complete, {} open", sum.complete, sum.open);
  if (sum.incomplete) out += fmt::format(", {} incomplete", sum.incomplete);
  if (sum.losses) {
    out += fmt::format(", {} in the ledger ({})", plural(sum.losses, "loss"),
                       plural(sum.lost_bytes, "byte"));
  }
  if (sum.unexplained_bytes)
    out += fmt::format(", {} missing that the ledger does not name",
                       plural(sum.unexplained_bytes, "byte"));
  if (sum.doubts) out += fmt::format(", {}", plural(sum.doubts, "doubt"));
  if (!report.refusals.empty()) out += ", " + plural(report.refusals.size(), "refusal");
  return out;
}

}  // namespace

bool AuditReport::whole() const {
  return problems.empty() && refusals.empty() &&
         std::ranges::all_of(sources, &SourceReport::whole) &&
         std::ranges::all_of(unseen, &SourceReport::whole);
}

bool AuditReport::clean() const {
  return whole() && std::ranges::all_of(sources, &SourceReport::clean) &&
         std::ranges::all_of(unseen, &SourceReport::clean);
}

std::string as_table(const AuditReport& report, bool colours) {
  std::string out;
  if (!report.sources.empty()) out += rows_text(report, colours);
  size_t raw_shown = 0;
  for (const RawReport& raw : report.raw) {
    if (++raw_shown > kRowsMax) break;
    out += fmt::format("{}  {} without a range under key \"{}\"\n", printable(raw.topic),
                       plural(raw.records, "record"), printable(raw.key));
  }
  out += all_details(report);
  for (size_t i = 0; i < report.refusals.size(); ++i) {
    if (i == kDetailedMax) {
      out += fmt::format("and {} more\n", plural(report.refusals.size() - i, "refusal"));
      break;
    }
    out += printable(report.refusals[i].sentence) + '\n';
  }
  for (const std::string& note : report.notes) out += "note: " + printable(note) + '\n';
  for (const std::string& problem : report.problems) out += printable(problem) + '\n';
  const AuditCounts sum = total(report);
  if (colours) out += report.clean() ? kGreen : kRed;
  out += fmt::format("audit: {}, {}, {}, {}, {} reordered", plural(report.sources.size(), "source"),
                     plural(sum.records, "record"), plural(sum.gaps, "gap"),
                     plural(sum.duplicates, "duplicate"), sum.reordered);
  if (sum.announced_gaps) out += ", " + plural(sum.announced_gaps, "announced gap");
  if (sum.broken_parts) out += ", " + plural(sum.broken_parts, "broken part");
  if (const uint64_t raw = raw_records(report)) out += ", " + plural(raw, "record") + " unproven";
  const auto compared = std::count_if(report.sources.begin(), report.sources.end(),
                                      [](const auto& source) { return source.compared; });
  const auto equal = std::count_if(
      report.sources.begin(), report.sources.end(),
      [](const auto& source) { return source.compared && source.difference.empty(); });
  out += ledger_summary(report);
  if (compared) out += fmt::format(", {} of {} byte-equal", equal, compared);
  if (colours) out += kPlain;
  return out + '\n';
}

namespace {

Json ranges_json(const std::vector<NamedRange>& ranges) {
  Json out = Json::array();
  for (const NamedRange& range : ranges) {
    out.push_back({{"start", range.start.bytes},
                   {"end", range.end.bytes},
                   {"reason", range.reason.empty() ? Json() : Json(range.reason)}});
  }
  return out;
}

void add_counts(const AuditCounts& counts, Json& to) {
  to["records"] = counts.records;
  to["gaps"] = counts.gaps;
  to["gap_bytes"] = counts.gap_bytes;
  to["duplicates"] = counts.duplicates;
  to["duplicate_bytes"] = counts.duplicate_bytes;
  to["reordered"] = counts.reordered;
  to["announced_gaps"] = counts.announced_gaps;
  to["broken_parts"] = counts.broken_parts;
}

void add_ledger(const LedgerFindings& ledger, Json& to) {
  to["verdict"] = to_string(ledger.verdict);
  if (ledger.total) to["total"] = ledger.total->bytes;
  to["missing"] = ranges_json(ledger.missing);
  to["losses"] = ledger.losses;
  to["lost_bytes"] = ledger.lost_bytes;
  to["unexplained_bytes"] = ledger.unexplained_bytes;
  to["expired_bytes"] = ledger.expired_bytes;
  to["doubts"] = ranges_json(ledger.doubts);
}

Json sources_json(const std::vector<SourceReport>& sources) {
  Json out = Json::array();
  for (const SourceReport& source : sources) {
    Json one = {{"source", source.source}, {"name", source.name},   {"container", source.container},
                {"path", source.path},     {"topic", source.topic}, {"start", source.start.bytes},
                {"end", source.end.bytes}};
    add_counts(source.counts, one);
    one["clean"] = source.clean();
    one["flags"] = source.flags;
    one["findings"] = source.findings;
    one["exact"] = source.exact;
    add_ledger(source.ledger, one);
    if (source.compared) {
      one["equal"] = source.difference.empty();
      one["difference"] = source.difference;
      one["bytes_compared"] = source.bytes_compared;
    }
    out.push_back(std::move(one));
  }
  return out;
}

Json refusals_json(const AuditReport& report) {
  Json out = Json::array();
  for (const RefusalReport& one : report.refusals) {
    out.push_back({{"topic", one.topic},
                   {"name", one.name},
                   {"container", one.container},
                   {"path", one.path},
                   {"reason", one.reason},
                   {"count", one.count}});
  }
  return out;
}

Json totals_json(const AuditReport& report) {
  Json totals = {{"sources", report.sources.size()}};
  add_counts(total(report), totals);
  totals["raw_records"] = raw_records(report);
  const LedgerTotals ledger = ledger_total(report);
  totals["complete"] = ledger.complete;
  totals["open"] = ledger.open;
  totals["incomplete"] = ledger.incomplete;
  totals["losses"] = ledger.losses;
  totals["lost_bytes"] = ledger.lost_bytes;
  totals["unexplained_bytes"] = ledger.unexplained_bytes;
  totals["doubts"] = ledger.doubts;
  totals["refusals"] = report.refusals.size();
  return totals;
}

}  // namespace

std::string as_json(const AuditReport& report) {
  Json raw = Json::array();
  for (const RawReport& one : report.raw)
    raw.push_back({{"topic", one.topic}, {"key", one.key}, {"records", one.records}});
  return shipper::json_text({{"sources", sources_json(report.sources)},
                             {"unseen", sources_json(report.unseen)},
                             {"raw", std::move(raw)},
                             {"refusals", refusals_json(report)},
                             {"totals", totals_json(report)},
                             {"ledger", report.has_ledger},
                             {"notes", report.notes},
                             {"problems", report.problems},
                             {"clean", report.clean()}}) +
         '\n';
}

}  // namespace longshore::audit
