#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <iostream>

#include "integrations/archive/history.h"
#include "integrations/archive/target_flags.h"
#include "integrations/audit/commands.h"
#include "integrations/audit/ledger_audit.h"
#include "integrations/audit/topic_audit.h"

namespace longshore::audit {

namespace {

namespace po = boost::program_options;

constexpr char kIntroduction[] =
    "longshore audit --archive URL --topic NAME [--source name=path]...\n\n"
    "Proves of an archive what longshore audit proves of Kafka: that of each source nothing is\n"
    "missing, twice or out of order; and that the names of the files tile each partition. If the\n"
    "ledger's topic is archived there too, it says of each source that has ended whether it is\n"
    "complete. With --source the lines are compared with the files they were collected from.\n"
    "Exit status: 0 all complete, 1 something is wrong, 2 unusable settings.\n\nFlags";

kafka::Flags audit_flags() {
  kafka::Flags flags(kIntroduction);
  const auto text = [](const char* name) { return po::value<std::string>()->value_name(name); };
  const auto texts = [](const char* name) {
    return po::value<std::vector<std::string>>()->value_name(name);
  };
  auto add = flags.add_options();
  add("help,h", "show this and exit");
  add("archive", text("URL"), "the archive: webhdfs://host:port/dir, swebhdfs://, file:///dir");
  add("topic", texts("NAME"), "a topic to audit; may be repeated");
  add("source", texts("NAME=PATH"),
      "compare the source of this name with a file or glob; given again, with the next file of "
      "the same stream (oldest first). id:<16 hex digits> where several sources have one name");
  add("ledger-topic", text("NAME")->default_value("longshore-ledger"), "the agents' ledger");
  add("expect-sources", po::value<size_t>()->value_name("N"),
      "it is wrong if there are more or fewer sources");
  add("json", po::bool_switch(), "print one JSON object instead of the table");
  archive::add_target_flags(flags);
  return flags;
}

/// Calls `each` for the records of a topic's files, as if they came from Kafka, except for offsets:
/// a line gets the offset of its file's first record plus its line number, which is at most its
/// own.
Status read_topic(archive::ArchiveTarget& target, const std::vector<archive::ArchivedFile>& files,
                  const std::function<Status(const kafka::ReadRecord&)>& each) {
  shipper::RecordParser parser;
  for (const archive::ArchivedFile& file : files) {
    kafka::ReadRecord record{.topic = file.name.topic,
                             .partition = file.name.partition,
                             .offset = file.name.first,
                             .key = {},
                             .value = {}};
    Status status = archive::read_lines(target, file, [&](std::string_view line) {
      const auto view = parser.parse(line);
      // An archive holds no keys; the key of a longshore record is the id that it carries.
      const std::string key = view ? to_string(view->source) : std::string();
      record.key = key;
      record.value = line;
      Status taken = each(record);
      record.offset += 1;
      return taken;
    });
    if (!status) return status;
  }
  return ok();
}

/// The files of one topic in the order of reading. Problems with their names go to `report`.
Result<std::vector<archive::ArchivedFile>> files_of(const archive::Place& place,
                                                    const std::string& topic, AuditReport& report) {
  Result<std::vector<archive::ArchivedFile>> files =
      archive::find_files(*place.target, place.layout, {.topic = topic});
  if (!files) return files;
  for (std::string& fault : archive::find_tiling_faults(*files))
    report.problems.push_back(std::move(fault));
  archive::sort_for_reading(*files);
  return files;
}

// Each partition that has files. What comes after their ends may not be archived yet.
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

Result<AuditReport> audit_all(const kafka::FlagValues& values, const archive::Place& place,
                              const std::vector<std::string>& topics, TopicAudit& audit) {
  AuditReport names;  // Findings about the files' names.
  const std::string ledger_topic = values["ledger-topic"].as<std::string>();
  // Before the data: then what the ledger mentions is more likely to be there.
  Result<std::vector<archive::ArchivedFile>> ledger_files = files_of(place, ledger_topic, names);
  if (!ledger_files) return ledger_files.error();
  LedgerAudit ledger;
  Status read = read_topic(*place.target, *ledger_files, [&](const kafka::ReadRecord& record) {
    ledger.add(record);
    return ok();
  });
  if (!read) return read.error();
  std::vector<kafka::PartitionEnds> ends;
  for (const std::string& topic : topics) {
    Result<std::vector<archive::ArchivedFile>> files = files_of(place, topic, names);
    if (!files) return files.error();
    if (files->empty())
      names.problems.push_back(fmt::format("the archive holds no file of topic {}.", topic));
    read = read_topic(*place.target, *files,
                      [&](const kafka::ReadRecord& record) { return audit.add(record); });
    if (!read) return read.error();
    for (kafka::PartitionEnds& each : ends_of(*files)) ends.push_back(std::move(each));
  }
  AuditReport report = audit.finish();
  const auto append = [](std::vector<std::string>& to, const std::vector<std::string>& from) {
    to.insert(to.end(), from.begin(), from.end());
  };
  append(report.problems, names.problems);
  if (ledger_files->empty()) {
    report.notes.push_back(
        fmt::format("topic {} is not archived: the agents' ledger of losses and ends is left out.",
                    ledger_topic));
  } else {
    ledger.join({topics, ends, audit.raw_sources()}, report);
  }
  if (values.count("expect-sources")) {
    const size_t expected = values["expect-sources"].as<size_t>();
    if (expected != report.sources.size()) {
      report.problems.push_back(fmt::format("--expect-sources: expected {} sources, found {}.",
                                            expected, report.sources.size()));
    }
  }
  return report;
}

}  // namespace

int run_archive_audit(int argc, char** argv) {
  const kafka::Flags flags = audit_flags();
  const Result<kafka::FlagValues> values = kafka::parse_flags(argc, argv, flags);
  if (!values) return kafka::complain("audit", values.error());
  if (values->count("help")) {
    std::cout << flags << std::flush;
    return 0;
  }
  const std::vector<std::string> topics = kafka::all_of(values.value(), "topic");
  if (topics.empty()) {
    return kafka::complain("audit", {ErrorCode::kInvalid,
                                     "--topic is missing: name the topic to "
                                     "audit."});
  }
  const auto expectations = parse_expectations(kafka::all_of(values.value(), "source"));
  if (!expectations) return kafka::complain("audit", expectations.error());
  Result<TopicAudit> audit = TopicAudit::make(expectations.value());
  if (!audit) return kafka::complain("audit", audit.error());
  const Result<archive::Place> place = archive::place_of(values.value(), "archive", nullptr);
  if (!place) return kafka::complain("audit", place.error());
  const Result<AuditReport> report =
      audit_all(values.value(), place.value(), topics, audit.value());
  // A file that cannot be read is a finding (exit status 1), not a wrong setting (2).
  if (!report) {
    return kafka::complain("audit", report.error(),
                           report.error().code == ErrorCode::kCorrupt ? 1 : 2);
  }
  const std::string text = values.value()["json"].as<bool>()
                               ? as_json(report.value())
                               : as_table(report.value(), ::isatty(STDOUT_FILENO) == 1);
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
    return kafka::complain("audit", {ErrorCode::kFull, "Could not write the report to stdout."});
  return report->clean() ? 0 : 1;
}

}  // namespace longshore::audit
