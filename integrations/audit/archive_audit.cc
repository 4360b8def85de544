#include "integrations/audit/archive_audit.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "integrations/archive/history.h"
#include "integrations/audit/ledger_audit.h"

namespace longshore::audit {

namespace {

/// Passes on the records of a topic's files as Kafka would. Only offsets differ: that of a line is
/// its file's first offset plus the number of lines before it, which is at most its real one.
Status read_topic(archive::ArchiveTarget& target, const std::vector<archive::ArchivedFile>& files,
                  std::vector<std::string>& problems,
                  const std::function<Status(const kafka::ReadRecord&)>& each) {
  shipper::RecordParser parser;
  shipper::LedgerParser ledger;
  for (const archive::ArchivedFile& file : files) {
    kafka::ReadRecord record{.topic = file.name.topic,
                             .partition = file.name.partition,
                             .offset = file.name.first,
                             .key = {},
                             .value = {}};
    Status status = archive::read_lines(target, file, [&](std::string_view line) {
      // An archive holds no keys; longshore's records carry theirs as the source id.
      std::string key;
      if (const auto view = parser.parse(line)) {
        key = to_string(view->source);
      } else if (const auto entry = ledger.parse(line)) {
        key = to_string(entry->source);
      }
      record.key = key;
      record.value = line;
      Status taken = each(record);
      record.offset += 1;
      return taken;
    });
    if (status) continue;
    if (status.error().code != ErrorCode::kCorrupt) return status;
    problems.push_back(status.error().message + ".");
  }
  return ok();
}

/// Says of which files the end is not proven.
void add_unproven(const std::vector<archive::ArchivedFile>& files,
                  std::vector<std::string>& notes) {
  const auto unproven = [](const auto& file) { return !file.name.lines; };
  const auto first = std::ranges::find_if(files, unproven);
  if (first == files.end()) return;
  notes.push_back(fmt::format(
      "{}: the names of {} files, made by an older version, do not tell how many lines they hold: "
      "that none of these files was cut off after a whole line is not proven.",
      first->name.topic, std::ranges::count_if(files, unproven)));
}

/// Drops the files of each partition before its first one of that hour or later. Those after it
/// stay, though their hours may go back. `files` are in reading order.
void drop_before(archive::Hour since, std::vector<archive::ArchivedFile>& files) {
  std::set<std::pair<std::string, int32_t>> begun;
  std::erase_if(files, [&](const archive::ArchivedFile& file) {
    const std::pair<std::string, int32_t> partition(file.name.topic, file.name.partition);
    if (file.hour >= since) begun.insert(partition);
    return !begun.contains(partition);
  });
}

/// The files of one topic in reading order; faults of their names go to `report`.
Result<std::vector<archive::ArchivedFile>> files_of(const archive::Place& place,
                                                    const std::string& topic,
                                                    std::optional<archive::Hour> since,
                                                    AuditReport& report) {
  Result<std::vector<archive::ArchivedFile>> files =
      archive::find_files(*place.target, place.layout, {.topic = topic});
  if (!files) return files;
  for (std::string& fault : archive::find_tiling_faults(*files))
    report.problems.push_back(std::move(fault));
  archive::sort_for_reading(*files);
  if (since) drop_before(*since, *files);
  return files;
}

// Each partition that has files. Records after their ends may still be archived.
std::vector<kafka::PartitionEnds> ends_of(const std::vector<archive::ArchivedFile>& files) {
  std::vector<kafka::PartitionEnds> all;
  for (const archive::ArchivedFile& file : files) {
    const auto at = std::find_if(all.begin(), all.end(), [&file](const auto& ends) {
      return ends.topic == file.name.topic && ends.partition == file.name.partition;
    });
    if (at == all.end()) {
      all.push_back({file.name.topic, file.name.partition, file.name.first, 1});
    } else {
      at->begin = std::min(at->begin, file.name.first);
    }
  }
  return all;
}

}  // namespace

Result<AuditReport> audit_archive(const archive::Place& place,
                                  const std::vector<std::string>& topics,
                                  const std::string& ledger_topic,
                                  std::optional<archive::Hour> since, TopicAudit& audit) {
  AuditReport names;  // What is wrong with files rather than with records.
  // Read before the data, so that the data that it mentions is likely to be archived already.
  Result<std::vector<archive::ArchivedFile>> ledger_files =
      files_of(place, ledger_topic, since, names);
  if (!ledger_files) return ledger_files.error();
  LedgerAudit ledger;
  Status read = read_topic(*place.target, *ledger_files, names.problems,
                           [&](const kafka::ReadRecord& record) {
                             ledger.add(record);
                             return ok();
                           });
  if (!read) return read.error();
  std::vector<kafka::PartitionEnds> ends;
  for (const std::string& topic : topics) {
    Result<std::vector<archive::ArchivedFile>> files = files_of(place, topic, since, names);
    if (!files) return files.error();
    if (files->empty()) {
      const Error why =
          why_no_files(*place.target, place.layout, {.topic = topic, .from = since}, place.url);
      names.problems.push_back(why.message);
    }
    add_unproven(*files, names.notes);
    read = read_topic(*place.target, *files, names.problems,
                      [&](const kafka::ReadRecord& record) { return audit.add(record); });
    if (!read) return read.error();
    for (kafka::PartitionEnds& each : ends_of(*files)) ends.push_back(std::move(each));
  }
  AuditReport report = audit.finish();
  const auto append = [](std::vector<std::string>& to, const std::vector<std::string>& from) {
    to.insert(to.end(), from.begin(), from.end());
  };
  append(report.problems, names.problems);
  append(report.notes, names.notes);
  if (ledger_files->empty()) {
    report.notes.push_back(
        fmt::format("topic {} is not archived: the agents' ledger of losses and ends is left out.",
                    ledger_topic));
  } else {
    ledger.join({topics, ends, audit.raw_sources()}, report);
  }
  return report;
}

}  // namespace longshore::audit
