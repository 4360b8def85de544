// The findings of an audit, for people and for programs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "integrations/audit/audit.h"
#include "integrations/audit/source_ledger.h"

namespace longshore::audit {

/// One source in one topic.
struct SourceReport {
  std::string topic, source, name, container, path;
  AuditCounts counts;
  Position start, end;
  std::vector<std::string> flags;
  std::vector<std::string> findings;
  bool exact = true;
  bool several_partitions = false;
  int32_t partition = -1;          ///< Of its first record.
  std::vector<ByteRange> covered;  ///< Ascending, disjoint.
  LedgerFindings ledger;
  bool compared = false;   ///< Whether it was compared with files;
  std::string difference;  ///< empty if it is equal.
  uint64_t bytes_compared = 0;

  bool whole() const { return counts.clean() && difference.empty() && ledger.whole(); }
  /// Files that are equal prove what the ledger doubts.
  bool clean() const { return whole() && (compared || !ledger.unproven); }
};

/// Records with one key that carry no range.
struct RawReport {
  std::string topic, key;
  uint64_t records = 0;
};

/// Files of a declared log that a limit kept from being collected.
struct RefusalReport {
  std::string topic, name, container, path, reason;
  uint64_t count = 0;
  std::string sentence;  ///< All of it, for people.
};

struct AuditReport {
  std::vector<SourceReport> sources;  ///< Sorted by topic, name, source.
  std::vector<SourceReport> unseen;   ///< In the ledger, but no record carries a range of them.
  std::vector<RawReport> raw;
  std::vector<RefusalReport> refusals;
  bool has_ledger = false;
  uint64_t elsewhere = 0;             ///< Sources of the ledger that may be in other topics.
  std::vector<std::string> notes;     ///< Limits of the proof.
  std::vector<std::string> problems;  ///< Anything wrong that belongs to no source.

  bool whole() const;  ///< Nothing is wrong, but something may be missing unseen.
  bool clean() const;
};

/// The table, the findings, and as the last line "audit: 20 sources, ...". If there are many
/// sources, only those with a problem are shown.
std::string as_table(const AuditReport& report, bool colours);
std::string as_json(const AuditReport& report);

}  // namespace longshore::audit
