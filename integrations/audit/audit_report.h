// What an audit found, for people and for programs.
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
  int32_t partition = -1;          ///< That of its first record.
  std::vector<ByteRange> covered;  ///< Ascending, disjoint.
  LedgerFindings ledger;
  bool compared = false;   ///< With files;
  std::string difference;  ///< empty when equal.
  uint64_t bytes_compared = 0;

  bool clean() const { return counts.clean() && difference.empty() && ledger.whole(); }
};

/// Records under one key that carry no range.
struct RawReport {
  std::string topic, key;
  uint64_t records = 0;
};

struct AuditReport {
  std::vector<SourceReport> sources;  ///< Sorted by topic, name, source.
  std::vector<SourceReport> unseen;   ///< Of the ledger, without a record that carries a range.
  std::vector<RawReport> raw;
  bool has_ledger = false;
  uint64_t elsewhere = 0;             ///< Sources of the ledger that other topics may hold.
  std::vector<std::string> notes;     ///< What limits the proof.
  std::vector<std::string> problems;  ///< What is wrong beside the sources' own.

  bool clean() const;
};

/// The table, what was found, and last the line "audit: 20 sources, ...". Of many sources only
/// those with something wrong are shown.
std::string as_table(const AuditReport& report, bool colours);
std::string as_json(const AuditReport& report);

}  // namespace longshore::audit
