// What an audit found, for people and for programs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "integrations/kafka/audit.h"

namespace longshore::kafka {

/// One source in one topic.
struct SourceReport {
  std::string topic, source, name, container, path;
  AuditCounts counts;
  Position start, end;
  std::vector<std::string> flags;
  std::vector<std::string> findings;
  bool exact = true;
  bool several_partitions = false;
  bool compared = false;   ///< With files;
  std::string difference;  ///< empty when equal.
  uint64_t bytes_compared = 0;
};

/// Records under one key that carry no range.
struct RawReport {
  std::string topic, key;
  uint64_t records = 0;
};

struct AuditReport {
  std::vector<SourceReport> sources;  ///< Sorted by topic, name, source.
  std::vector<RawReport> raw;
  std::vector<std::string> notes;     ///< What limits the proof.
  std::vector<std::string> problems;  ///< What is wrong beside the sources' own.

  bool clean() const;
};

/// The table, what was found, and last the line "audit: 20 sources, ...".
std::string as_table(const AuditReport& report, bool colours);
std::string as_json(const AuditReport& report);

}  // namespace longshore::kafka
