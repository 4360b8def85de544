// The audit of an archive: the same proof as over Kafka's topics, over the files of an archive.
//
//   ArchiveTarget --files--> lines --ReadRecord--> TopicAudit, LedgerAudit --> AuditReport
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "integrations/archive/target_flags.h"
#include "integrations/audit/topic_audit.h"

namespace longshore::audit {

/// Proves that the names of the files tile each partition and that the records of each source are
/// complete, using the ledger if its topic is archived too. Files that are damaged are problems in
/// the report. With `since`, it opens no file before a partition's first one of that hour or later.
/// Errors: those of the target; those of TopicAudit.
Result<AuditReport> audit_archive(const archive::Place& place,
                                  const std::vector<std::string>& topics,
                                  const std::string& ledger_topic,
                                  std::optional<archive::Hour> since, TopicAudit& audit);

}  // namespace longshore::audit
