// All the sources of some topics, audited in one pass and compared with files where asked.
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

/// What one source should be: `--source name=path`, `--source id:<16 hex>=path`.
struct Expectation {
  std::string name;  ///< Or "id:<16 hex>".
  std::vector<std::string> paths;
};

/// Parses the flags, expands globs (sorted by name), joins those of one name in their order.
/// Errors: kInvalid, kNotFound.
Result<std::vector<Expectation>> parse_expectations(const std::vector<std::string>& arguments);

/// Thread: one. Memory: a little for each source, and one file buffer for each expectation.
class TopicAudit {
 public:
  static constexpr size_t kRawKeysMax = 1000;

  /// Errors: kNotFound, for a file that cannot be read.
  static Result<TopicAudit> make(const std::vector<Expectation>& expectations);

  /// Errors: kInvalid: an expectation's name belongs to several sources.
  Status add(const kafka::ReadRecord& record);
  AuditReport finish();
  /// Keys, as far as they are ids of sources, of the records without a range.
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
