#include "integrations/kafka/audit_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>

#include "integrations/kafka/printable.h"

namespace longshore::kafka {

namespace {

constexpr size_t kColumns = 9;
constexpr size_t kFirstNumber = 4;  // Numbers are aligned to the right, but for the range.
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

std::string joined(const std::vector<std::string>& words) {
  return words.empty() ? "" : fmt::format("{}", fmt::join(words, ","));
}

std::string plural(uint64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
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
  for (const SourceReport& source : report.sources) rows.push_back(row_of(source));
  std::array<size_t, kColumns> widths{};
  for (const Row& row : rows) {
    for (size_t i = 0; i < kColumns; ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string out;
  for (size_t r = 0; r < rows.size(); ++r) {
    const SourceReport* source = r > 0 ? &report.sources[r - 1] : nullptr;
    const bool wrong = source && (!source->counts.clean() || !source->difference.empty());
    if (wrong && colours) out += kRed;
    for (size_t i = 0; i < kColumns; ++i) {
      const std::string& cell = rows[r][i];
      out += i < kFirstNumber || i == 5 ? fmt::format("{:<{}}", cell, widths[i])
                                        : fmt::format("{:>{}}", cell, widths[i]);
      if (i + 1 < kColumns) out += "  ";
    }
    if (source && !source->flags.empty()) out += "  " + joined(source->flags);
    if (source && source->compared) out += source->difference.empty() ? "  equal" : "  differs";
    if (wrong && colours) out += kPlain;
    out += '\n';
  }
  return out;
}

std::string details_of(const SourceReport& source) {
  std::string out;
  const std::string who = fmt::format("{} {}", source.source, printable(source.name));
  for (const std::string& finding : source.findings) out += fmt::format("{}: {}\n", who, finding);
  const AuditCounts& counts = source.counts;
  if (counts.gaps + counts.duplicates > 0) {
    out += fmt::format("{}: {} missing, {} twice\n", who, plural(counts.gap_bytes, "byte"),
                       plural(counts.duplicate_bytes, "byte"));
  }
  if (!source.exact) out += who + ": over 4096 holes at a time, what filled them counts as twice\n";
  if (source.several_partitions && !counts.clean())
    out += who + ": its records lie in several partitions, among which Kafka has no order\n";
  if (!source.difference.empty()) out += fmt::format("{}: {}\n", who, source.difference);
  return out;
}

}  // namespace

bool AuditReport::clean() const {
  return problems.empty() && std::all_of(sources.begin(), sources.end(), [](const auto& source) {
           return source.counts.clean() && source.difference.empty();
         });
}

std::string as_table(const AuditReport& report, bool colours) {
  std::string out;
  if (!report.sources.empty()) out += rows_text(report, colours);
  for (const RawReport& raw : report.raw) {
    out += fmt::format("{}  {} without a range under key \"{}\"\n", printable(raw.topic),
                       plural(raw.records, "record"), printable(raw.key));
  }
  for (const SourceReport& source : report.sources) out += details_of(source);
  for (const std::string& note : report.notes) out += "note: " + note + '\n';
  for (const std::string& problem : report.problems) out += problem + '\n';
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
  if (compared) out += fmt::format(", {} of {} byte-equal", equal, compared);
  if (colours) out += kPlain;
  return out + '\n';
}

std::string as_json(const AuditReport& report) {
  const auto list = [](const std::vector<std::string>& words) {
    std::string out;
    for (const std::string& word : words) out += (out.empty() ? "" : ",") + quoted(word);
    return '[' + out + ']';
  };
  const auto numbers = [](const AuditCounts& counts) {
    return fmt::format(
        R"("records":{},"gaps":{},"gap_bytes":{},"duplicates":{},"duplicate_bytes":{},)"
        R"("reordered":{},"announced_gaps":{},"broken_parts":{})",
        counts.records, counts.gaps, counts.gap_bytes, counts.duplicates, counts.duplicate_bytes,
        counts.reordered, counts.announced_gaps, counts.broken_parts);
  };
  std::string out = R"({"sources":[)";
  for (const SourceReport& source : report.sources) {
    if (&source != report.sources.data()) out += ',';
    out += fmt::format(R"({{"source":{},"name":{},"container":{},"path":{},"topic":{},)",
                       quoted(source.source), quoted(source.name), quoted(source.container),
                       quoted(source.path), quoted(source.topic));
    out += fmt::format(R"("start":{},"end":{},{},"flags":{},"findings":{},"exact":{})",
                       source.start.bytes, source.end.bytes, numbers(source.counts),
                       list(source.flags), list(source.findings), source.exact);
    if (source.compared) {
      out +=
          fmt::format(R"(,"equal":{},"difference":{},"bytes_compared":{})",
                      source.difference.empty(), quoted(source.difference), source.bytes_compared);
    }
    out += '}';
  }
  out += R"(],"raw":[)";
  for (const RawReport& raw : report.raw) {
    if (&raw != report.raw.data()) out += ',';
    out += fmt::format(R"({{"topic":{},"key":{},"records":{}}})", quoted(raw.topic),
                       quoted(raw.key), raw.records);
  }
  out += fmt::format(R"(],"totals":{{"sources":{},{},"raw_records":{}}},)", report.sources.size(),
                     numbers(total(report)), raw_records(report));
  out += fmt::format(R"("notes":{},"problems":{},"clean":{}}})", list(report.notes),
                     list(report.problems), report.clean());
  return out + '\n';
}

}  // namespace longshore::kafka
