#include "integrations/audit/topic_audit.h"

#include <fmt/format.h>
#include <glob.h>

#include <algorithm>
#include <tuple>

#include "config/printable.h"
#include "shipper/record/record_encoder.h"

namespace longshore::audit {

namespace {

std::vector<std::string> flag_names(uint32_t flags) {
  std::vector<std::string> names;
  if (flags & shipper::kFlagReplaced) names.emplace_back("replaced");
  if (flags & shipper::kFlagNotJson) names.emplace_back("not_json");
  if (flags & shipper::kFlagGapBefore) names.emplace_back("gap_before");
  if (flags & shipper::kFlagLate) names.emplace_back("late");
  if (flags & shipper::kFlagUnterminated) names.emplace_back("unterminated");
  return names;
}

Result<std::vector<std::string>> expand(const std::string& pattern) {
  glob_t found{};
  const int failed = ::glob(pattern.c_str(), 0, nullptr, &found);
  std::vector<std::string> paths(found.gl_pathv, found.gl_pathv + (failed ? 0 : found.gl_pathc));
  ::globfree(&found);
  if (!paths.empty()) return paths;
  return Error{ErrorCode::kNotFound,
               fmt::format("--source: no file matches {}; check the path.", pattern)};
}

}  // namespace

Result<std::vector<Expectation>> parse_expectations(const std::vector<std::string>& arguments) {
  std::vector<Expectation> expectations;
  for (const std::string& argument : arguments) {
    const size_t equals = argument.find('=');
    const std::string name = argument.substr(0, equals);
    const bool id = name.starts_with("id:");
    if (equals == std::string::npos || name.empty() || equals + 1 == argument.size() ||
        (id && !parse_source_id(std::string_view(name).substr(3)))) {
      return Error{
          ErrorCode::kInvalid,
          fmt::format("--source {}: write it as name=path or id:<16 hex digits>=path.", argument)};
    }
    Result<std::vector<std::string>> paths = expand(argument.substr(equals + 1));
    if (!paths) return paths.error();
    auto at = std::find_if(expectations.begin(), expectations.end(),
                           [&name](const Expectation& known) { return known.name == name; });
    if (at == expectations.end()) at = expectations.insert(at, Expectation{name, {}});
    at->paths.insert(at->paths.end(), paths->begin(), paths->end());
  }
  return expectations;
}

Result<TopicAudit> TopicAudit::make(const std::vector<Expectation>& expectations) {
  TopicAudit audit;
  for (const Expectation& expectation : expectations) {
    Result<FileChain> files = FileChain::open(expectation.paths);
    if (!files) return files.error();
    Expected& expected = audit.expected_.emplace_back();
    expected.name = expectation.name;
    expected.compare = std::make_unique<StreamCompare>(*std::move(files));
  }
  return audit;
}

Status TopicAudit::add(const kafka::ReadRecord& record) {
  const std::optional<shipper::RecordView> view = parser_.parse(record.value);
  if (!view || !is_own(*view, record.key)) {
    add_raw(record);
    return ok();
  }
  Result<Source*> source = source_of(record, *view);
  if (!source) return source.error();
  AuditedRecord audited;
  audited.start = view->start;
  audited.end = view->end;
  audited.flags = view->flags;
  audited.split = view->part.has_value();
  audited.part = view->part.value_or(0);
  audited.last_part = view->last_part;
  (*source)->audit.add(audited, {record.partition, record.offset});
  if ((*source)->compare) (*source)->compare->add(*view);
  return ok();
}

Result<TopicAudit::Source*> TopicAudit::source_of(const kafka::ReadRecord& record,
                                                  const shipper::RecordView& view) {
  auto topic = topics_.find(record.topic);
  if (topic == topics_.end()) topic = topics_.try_emplace(std::string(record.topic)).first;
  const auto [at, fresh] = topic->second.try_emplace(view.source);
  Source& source = at->second;
  if (fresh) {
    source.name = view.name;
    source.container = view.container;
    source.path = view.path;
    if (Status status = claim(record, view, source); !status) return status.error();
  }
  return &source;
}

Status TopicAudit::claim(const kafka::ReadRecord& record, const shipper::RecordView& view,
                         Source& source) {
  const std::string id = "id:" + to_string(view.source);
  for (Expected& expected : expected_) {
    if (expected.name != id && expected.name != view.name) continue;
    if (expected.claimed_by) {
      return Error{
          ErrorCode::kInvalid,
          fmt::format("--source {}: that is source {} in topic {} and {} in {}; name one "
                      "as id:{} and audit one topic.",
                      expected.name, to_string(*expected.claimed_by), expected.claimed_topic,
                      to_string(view.source), record.topic, to_string(view.source))};
    }
    if (source.compare) {
      return Error{ErrorCode::kInvalid,
                   fmt::format("--source names {} twice, as {} and as {}.", id, view.name, id)};
    }
    expected.claimed_by = view.source;
    expected.claimed_topic = record.topic;
    source.compare = expected.compare.get();
  }
  return ok();
}

void TopicAudit::add_raw(const kafka::ReadRecord& record) {
  if (const auto id = shipper::raw_source_of(record.key)) raw_sources_.insert(*id);
  std::pair<std::string, std::string> key(record.topic, record.key);
  if (raw_.size() >= kRawKeysMax && !raw_.contains(key)) key.second = "(further keys)";
  raw_[key] += 1;
}

AuditReport TopicAudit::finish() {
  AuditReport report;
  for (auto& [topic, sources] : topics_) {
    for (auto& [id, source] : sources) {
      SourceReport& out = report.sources.emplace_back();
      out.topic = topic;
      out.source = to_string(id);
      out.name = source.name;
      out.container = source.container;
      out.path = source.path;
      out.counts = source.audit.counts();
      out.start = source.audit.start();
      out.end = source.audit.end();
      out.flags = flag_names(source.audit.flags());
      out.findings = source.audit.findings();
      out.exact = source.audit.exact();
      out.several_partitions = source.audit.several_partitions();
      out.partition = source.audit.partition();
      out.covered = source.audit.covered();
      if (!source.compare) continue;
      out.compared = true;
      out.difference = source.compare->finish();
      out.bytes_compared = source.compare->bytes_compared();
    }
  }
  const auto order = [](const SourceReport& source) {
    return std::tie(source.topic, source.name, source.container, source.source);
  };
  std::sort(report.sources.begin(), report.sources.end(),
            [&order](const auto& a, const auto& b) { return order(a) < order(b); });
  for (const auto& [key, records] : raw_) report.raw.push_back({key.first, key.second, records});
  for (const Expected& expected : expected_) {
    if (expected.claimed_by) continue;
    report.problems.push_back(fmt::format("--source {}: no record of such a source was found.",
                                          printable(expected.name)));
  }
  return report;
}

}  // namespace longshore::audit
