// The ledger of many sources, joined with the findings of an audit of the data topics.
//
//   Reader of the ledger --ReadRecord--> LedgerAudit --join()--> verdicts in the AuditReport
//
// Find the end of the ledger before the ends of the data topics: then all records that the ledger
// mentions are among those that were read.
#pragma once

#include <map>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "integrations/audit/audit_report.h"
#include "integrations/audit/source_ledger.h"
#include "integrations/kafka/reader.h"
#include "shipper/record/ledger_view.h"

namespace longshore::audit {

/// What an audit knows about the topics, apart from the ranges.
struct AuditedTopics {
  std::vector<std::string> names;
  std::vector<kafka::PartitionEnds> partitions;
  std::unordered_set<SourceId> raw;  ///< Keys of records without a range.
};

/// Thread: one. Memory: a little for each source.
class LedgerAudit {
 public:
  void add(const kafka::ReadRecord& record);
  void join(const AuditedTopics& topics, AuditReport& report) const;

 private:
  struct Source {
    SourceLedger ledger;
    std::string name, container, path, topic;
  };
  // The newest refusal of one declared log by one limit.
  struct Refusal {
    std::string name, container, path, host, topic, reason, detail;
    uint64_t count = 0;
  };
  void add_of_lane(const shipper::LedgerView& entry);
  void add_refusal(const shipper::LedgerView& entry);
  void join_refusals(const AuditedTopics& topics, AuditReport& report) const;
  void join_unseen(SourceId id, const Source& source, const AuditedTopics& topics,
                   AuditReport& report) const;

  shipper::LedgerParser parser_;
  std::map<SourceId, Source> sources_;
  std::map<std::pair<SourceId, std::string>, Refusal> refusals_;  // By declared log and reason.
  std::vector<std::string> problems_, notes_;                     // Of whole lanes.
  uint64_t strange_ = 0;  // Records that are not ledger entries.
};

}  // namespace longshore::audit
