// Audits all sources of some topics in one pass, and compares them with files if asked to.
//
//   Reader --ReadRecord--> TopicAudit --> SourceAudit, StreamCompare of its source --> AuditReport
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "config/result.h"
#include "integrations/audit/audit.h"
#include "integrations/audit/audit_report.h"
#include "integrations/audit/stream_compare.h"
#include "integrations/kafka/reader.h"
#include "shipper/record/record_view.h"

namespace longshore::audit {

/// The expected content of a source: `--source name=path`, `--source id:<16 hex>=path`.
struct Expectation {
  std::string name;  ///< Or "id:<16 hex>".
  std::vector<std::string> paths;
};

/// Parses the flags, expands globs (sorted by name), and joins paths of the same name in order.
/// Errors: kInvalid, kNotFound.
Result<std::vector<Expectation>> parse_expectations(const std::vector<std::string>& arguments);

/// Thread: one. Memory: a little for each source, and one file buffer for each expectation.
class TopicAudit {
 public:
  static constexpr size_t kRawKeysMax = 1000;

  /// Errors: kNotFound: a file cannot be read.
  static Result<TopicAudit> make(const std::vector<Expectation>& expectations);

  /// Errors: kInvalid: an expectation's name belongs to several sources.
  Status add(const kafka::ReadRecord& record);
  AuditReport finish();
  /// The sources of records without a range, as far as their keys are ids of sources.
  const std::unordered_set<SourceId>& raw_sources() const { return raw_sources_; }

 private:
  struct Source {
    SourceAudit audit;
    std::string name, container, path;
    StreamCompare* compare = nullptr;  // Into expected_.
  };
  struct Expected {
    std::string name;
    std::unique_ptr<StreamCompare> compare;
    std::optional<SourceId> claimed_by;
    std::string claimed_topic;
  };

  Result<Source*> source_of(const kafka::ReadRecord& record, const shipper::RecordView& view);
  Status claim(const kafka::ReadRecord& record, const shipper::RecordView& view, Source& source);
  void add_raw(const kafka::ReadRecord& record);

  shipper::RecordParser parser_;
  std::map<std::string, std::unordered_map<SourceId, Source>, std::less<>> topics_;
  std::map<std::pair<std::string, std::string>, uint64_t> raw_;  // By topic and key.
  std::unordered_set<SourceId> raw_sources_;
  std::vector<Expected> expected_;
};

}  // namespace longshore::audit
