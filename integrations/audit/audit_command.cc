#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <functional>
#include <limits>
#include <optional>

#include "config/clock.h"
#include "config/printable.h"
#include "config/time_text.h"
#include "integrations/audit/archive_audit.h"
#include "integrations/audit/commands.h"
#include "integrations/audit/ledger_audit.h"
#include "integrations/audit/topic_audit.h"
#include "integrations/kafka/progress.h"
#include "integrations/kafka/reading_flags.h"

namespace longshore::audit {

namespace {

using std::chrono::steady_clock;

/// How long to wait for open transactions to end. An agent's end within 15 s.
constexpr int kSettleMs = 15'000;

/// The exit status if only doubts keep the report from being clean.
constexpr int kUnprovenStatus = 3;

const CommandHelp kHelp = {
    "audit",
    "Reads topics up to their present end, or an archive of them, and proves for each source, from "
    "the\n"
    "ranges in its records, that nothing is missing, doubled or out of order; and from the "
    "agents'\n"
    "ledger, for each source that has ended, that it is complete, or which bytes are missing and "
    "why.\n"
    "Records without a range (format raw, other producers) are counted separately. With --source,\n"
    "the lines of a source are compared byte for byte with the file that they were collected "
    "from.\n"
    "In an archive, the names of the files must also tile each partition.\n"
    "Exit status: 0 everything is complete, 1 something is wrong, 2 unusable settings, 3 nothing "
    "is\n"
    "known to be wrong, but the ledger has doubts whether lines are missing.",
    "  longshore audit --brokers kafka:9092 --topic logs --source app=/var/log/app.log\n"
    "  longshore audit --archive file:///archive --topic logs\n"};

struct Flags {
  kafka::ReadingFlags reading;
  archive::TargetFlags target{"archive"};
  std::vector<std::string> sources;
  std::string ledger_topic = "longshore-ledger", since;
  std::optional<size_t> expect_sources;
  bool json = false;
};

void add_flags(CommandLine& line, Flags& flags) {
  kafka::add_reading_flags(line, flags.reading);
  archive::add_target_flags(line, flags.target);
  line.section("What is proved");
  line.list("source", &flags.sources, "NAME=PATH",
            "Compare the source of this name, or id:<16 hex digits> if several have the name, with "
            "a file or glob; repeatable, for the files of one stream from the oldest on.");
  line.text("ledger-topic", &flags.ledger_topic, "NAME",
            "Read the agents' ledger from this topic, if it exists.");
  line.text("since", &flags.since, "TIME",
            "Read only what reached Kafka at this time or later, of an archive from this hour on, "
            "such as 2026-11-21 or 2026-11-21T14:00+01:00; UTC unless it says otherwise.");
  line.number("expect-sources", &flags.expect_sources, {0, std::numeric_limits<int64_t>::max()},
              "N", "Fail unless there are this many sources.");
  line.toggle("json", &flags.json, "Print one JSON object instead of a table.");
}

/// Shows on a terminal how far the reading is, once it takes more than a second.
class ReadingProgress {
 public:
  void add(size_t bytes) { records_ += 1, bytes_ += bytes; }

  void show(const kafka::Reader& reader) {
    const double seconds = progress_.seconds_in_all();
    if (!progress_.due() || seconds < 1) return;
    const double mb = static_cast<double>(bytes_) / 1e6;
    const uint64_t total = reader.offsets_total();
    progress_.show(fmt::format("audit: {} records, {:.0f} MB, {:.0f} MB/s, {}%", records_, mb,
                               mb / seconds, total ? reader.offsets_passed() * 100 / total : 100));
  }

 private:
  static constexpr int kPeriodMs = 250;
  const SystemClock clock_{};
  kafka::Progress progress_{clock_, kafka::Progress::To::kTerminal,
                            ::isatty(STDERR_FILENO) == 1 ? kPeriodMs : 0};
  uint64_t records_ = 0, bytes_ = 0;
};

/// Reads everything there is. Gives up if nothing arrives for a minute.
Status read_all(kafka::Reader& reader,
                const std::function<Status(const kafka::ReadRecord&)>& take) {
  constexpr auto kPatience = std::chrono::seconds(60);
  ReadingProgress progress;
  Status status = ok();
  auto moved_at = steady_clock::now();
  uint64_t passed = 0;
  while (!reader.ended() && status) {
    Status read = reader.poll(20, [&](const kafka::ReadRecord& record) {
      if (!status) return;
      progress.add(record.key.size() + record.value.size());
      status = take(record);
    });
    if (!read) return read;
    progress.show(reader);
    if (reader.offsets_passed() != passed) {
      passed = reader.offsets_passed();
      moved_at = steady_clock::now();
    } else if (steady_clock::now() - moved_at > kPatience) {
      return Error{ErrorCode::kRetryable,
                   fmt::format("Kafka has sent nothing for 60 s, at {} of {} offsets: check the "
                               "brokers and run the audit again.",
                               passed, reader.offsets_total())};
    }
  }
  return status;
}

void add_notes(const kafka::Reader& reader, AuditReport& report) {
  for (const kafka::PartitionEnds& ends : reader.partitions()) {
    if (ends.held_back == 0) continue;
    report.notes.push_back(fmt::format(
        "{}[{}]: {} offsets at its end were not read, because they belong to a transaction that is "
        "still open or come after it; run this again when it has ended.",
        ends.topic, ends.partition, ends.held_back));
  }
  if (report.sources.empty() && report.raw.empty())
    report.notes.push_back("the topic holds no records.");
}

/// Opened before the data topics, so that their ends are determined after the ledger's. Null if
/// there is no ledger; `notes` then says so.
Result<std::unique_ptr<kafka::Reader>> open_ledger(const std::string& topic,
                                                   const kafka::ReaderOptions& data,
                                                   std::vector<std::string>& notes) {
  kafka::ReaderOptions options = data;
  options.topics = {topic};
  Result<std::unique_ptr<kafka::Reader>> reader = kafka::Reader::open(options);
  if (reader || reader.error().code != ErrorCode::kNotFound) return reader;
  notes.push_back(fmt::format(
      "topic {} does not exist: losses and ends that agents recorded are left out.", topic));
  return std::unique_ptr<kafka::Reader>();
}

/// Reads the ledger and the topics. Errors: as Reader's, TopicAudit's.
Result<AuditReport> audit_topics(kafka::ReaderOptions options, const std::string& ledger_topic,
                                 TopicAudit& audit) {
  std::vector<std::string> notes;
  Result<std::unique_ptr<kafka::Reader>> ledger = open_ledger(ledger_topic, options, notes);
  if (!ledger) return ledger.error();
  if (*ledger) options.settle_ms = kSettleMs;
  Result<std::unique_ptr<kafka::Reader>> reader = kafka::Reader::open(options);
  if (!reader) return reader.error();
  LedgerAudit entries;
  if (*ledger) {
    const Status read = read_all(**ledger, [&entries](const kafka::ReadRecord& record) {
      entries.add(record);
      return ok();
    });
    if (!read) return read.error();
  }
  const Status read =
      read_all(**reader, [&audit](const kafka::ReadRecord& record) { return audit.add(record); });
  if (!read) return read.error();
  AuditReport report = audit.finish();
  report.notes = std::move(notes);
  if (*ledger) entries.join({options.topics, (*reader)->partitions(), audit.raw_sources()}, report);
  add_notes(**reader, report);
  return report;
}

// The audit that the flags ask for: of an archive, or else of Kafka's topics.
Result<AuditReport> audit_all(const CommandLine& line, const Flags& flags) {
  const auto expectations = parse_expectations(flags.sources);
  if (!expectations) return expectations.error();
  const auto since = flags.since.empty() ? std::nullopt : parse_time_ms(flags.since);
  if (!flags.since.empty() && !since)
    return line.unusable("since", flags.since, "write it as 2026-11-21 or 2026-11-21T14:00:00Z");
  if (since && !flags.sources.empty())
    return invalid(
        "--since and --source exclude each other: a file is compared from its beginning.");
  Result<TopicAudit> audit = TopicAudit::make(expectations.value());
  if (!audit) return audit.error();
  if (flags.target.url.empty()) {
    auto options = kafka::reader_options(line, flags.reading);
    if (!options) return options.error();
    options->since_ms = since;
    return audit_topics(*options, flags.ledger_topic, *audit);
  }
  if (flags.reading.topics.empty()) return missing("topic", "name the topic to audit");
  const auto options = archive::place_options(line, flags.target);
  if (!options) return options.error();
  const auto place = archive::open_place(*options);
  if (!place) return place.error();
  const auto hour = since ? std::optional(archive::hour_of_ms(*since)) : std::nullopt;
  return audit_archive(*place, flags.reading.topics, flags.ledger_topic, hour, *audit);
}

}  // namespace

int run_audit(const std::vector<std::string>& arguments) {
  Flags flags;
  CommandLine line(kHelp);
  add_flags(line, flags);
  const Result<bool> parsed = line.parse(arguments, process_environment());
  if (!parsed) return complain("audit", parsed.error());
  if (!*parsed) return 0;
  Result<AuditReport> report = audit_all(line, flags);
  if (report && !flags.since.empty()) {
    report->notes.push_back(fmt::format(
        "only what came since {} was read: it proves nothing about earlier lines.", flags.since));
  }
  // A damaged file is a finding, not a wrong setting.
  if (!report)
    return complain("audit", report.error(), report.error().code == ErrorCode::kCorrupt ? 1 : 2);
  if (flags.expect_sources && *flags.expect_sources != report->sources.size()) {
    report->problems.push_back(
        fmt::format("--expect-sources: {} sources were expected, {} are there.",
                    *flags.expect_sources, report->sources.size()));
  }
  const bool terminal = ::isatty(STDOUT_FILENO) == 1;
  std::string text = flags.json ? as_json(*report) : as_table(*report, terminal);
  if (terminal && flags.json) text = printable_lines(text);
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
    return complain("audit", {ErrorCode::kFull, "Could not write the report to standard output."});
  return report->clean() ? 0 : report->whole() ? kUnprovenStatus : 1;
}

}  // namespace longshore::audit
