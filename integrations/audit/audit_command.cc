#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <iostream>
#include <optional>

#include "config/clock.h"
#include "integrations/audit/commands.h"
#include "integrations/audit/ledger_audit.h"
#include "integrations/audit/topic_audit.h"
#include "integrations/kafka/command_line.h"
#include "integrations/kafka/progress.h"
#include "shipper/record/printable.h"

namespace longshore::audit {

namespace {

namespace po = boost::program_options;
using std::chrono::steady_clock;

/// How long to wait for open transactions to end. An agent's end within 15 s.
constexpr int kSettleMs = 15'000;

constexpr char kIntroduction[] =
    "longshore audit --brokers LIST --topic NAME [--source name=path]...\n"
    "longshore audit --archive URL --topic NAME ...  (see longshore audit --archive URL --help)\n\n"
    "Reads topics up to their present end and proves for each source, from the ranges that its\n"
    "records carry, that nothing is missing, twice or out of order; and from the agents' ledger,\n"
    "of each source that has ended, that it is complete, or which bytes are not there and why.\n"
    "Records without a range (format raw, other producers) are counted apart. With --source the\n"
    "lines of a source are compared byte for byte with the file that it was collected from, from\n"
    "its beginning.\n"
    "Exit status: 0 all complete, 1 something is wrong, 2 unusable settings.\n\nFlags";

kafka::Flags audit_flags() {
  kafka::Flags flags(kIntroduction);
  kafka::add_reading_flags(flags);
  auto add = flags.add_options();
  add("source", po::value<std::vector<std::string>>()->value_name("NAME=PATH"),
      "compare the source of this name with a file or glob; given again, with the next file of "
      "the same stream (oldest first). id:<16 hex digits> where several sources have one name");
  add("ledger-topic",
      po::value<std::string>()->default_value("longshore-ledger")->value_name("NAME"),
      "the agents' ledger; audited without it where it does not exist");
  add("expect-sources", po::value<size_t>()->value_name("N"),
      "it is wrong if there are more or fewer sources");
  add("json", po::bool_switch(), "print one JSON object instead of the table");
  return flags;
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
  const SystemClock clock_;
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
                               "brokers and run it again.",
                               passed, reader.offsets_total())};
    }
  }
  return status;
}

void add_notes(const kafka::Reader& reader, const kafka::FlagValues& values, AuditReport& report) {
  for (const kafka::PartitionEnds& ends : reader.partitions()) {
    if (ends.held_back == 0) continue;
    report.notes.push_back(fmt::format(
        "{}[{}]: {} offsets at its end were not read, because they belong to a transaction that is "
        "still open or come after it; run this again when it has ended.",
        ends.topic, ends.partition, ends.held_back));
  }
  if (report.sources.empty() && report.raw.empty())
    report.notes.push_back("the topic holds no records.");
  if (!values.count("expect-sources")) return;
  const size_t expected = values["expect-sources"].as<size_t>();
  if (expected != report.sources.size()) {
    report.problems.push_back(fmt::format("--expect-sources: expected {} sources, found {}.",
                                          expected, report.sources.size()));
  }
}

/// Finds where the ledger ends, before the ends of the data topics are found. Null: there is no
/// ledger, and a note tells that.
Result<std::unique_ptr<kafka::Reader>> open_ledger(const kafka::FlagValues& values,
                                                   const kafka::ReaderOptions& data,
                                                   std::vector<std::string>& notes) {
  kafka::ReaderOptions options = data;
  options.topics = {values["ledger-topic"].as<std::string>()};
  Result<std::unique_ptr<kafka::Reader>> reader = kafka::Reader::open(options);
  if (reader || reader.error().code != ErrorCode::kNotFound) return reader;
  notes.push_back(
      fmt::format("there is no topic {}: the agents' ledger of losses and ends is left out.",
                  options.topics.front()));
  return std::unique_ptr<kafka::Reader>();
}

/// Reads the ledger and the topics. Errors: as Reader's, TopicAudit's.
Result<AuditReport> audit_all(const kafka::FlagValues& values, kafka::ReaderOptions options,
                              TopicAudit& audit) {
  std::vector<std::string> notes;
  Result<std::unique_ptr<kafka::Reader>> ledger = open_ledger(values, options, notes);
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
  add_notes(**reader, values, report);
  return report;
}

bool asks_for_archive(int argc, char** argv) {
  return std::any_of(argv + 1, argv + argc, [](std::string_view word) {
    return word == "--archive" || word.starts_with("--archive=");
  });
}

}  // namespace

int run_audit(int argc, char** argv) {
  if (asks_for_archive(argc, argv)) return run_archive_audit(argc, argv);
  const kafka::Flags flags = audit_flags();
  const Result<kafka::FlagValues> values = kafka::parse_flags(argc, argv, flags);
  if (!values) return kafka::complain("audit", values.error());
  if (values.value().count("help")) {
    std::cout << flags << std::flush;
    return 0;
  }
  const Result<kafka::ReaderOptions> options = kafka::reader_options(values.value());
  if (!options) return kafka::complain("audit", options.error());
  const auto expectations = parse_expectations(kafka::all_of(values.value(), "source"));
  if (!expectations) return kafka::complain("audit", expectations.error());
  Result<TopicAudit> audit = TopicAudit::make(expectations.value());
  if (!audit) return kafka::complain("audit", audit.error());
  const Result<AuditReport> report = audit_all(values.value(), options.value(), audit.value());
  if (!report) return kafka::complain("audit", report.error());
  const std::string text = values.value()["json"].as<bool>()
                               ? as_json(report.value())
                               : as_table(report.value(), ::isatty(STDOUT_FILENO) == 1);
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
    return kafka::complain("audit", {ErrorCode::kFull, "Could not write the report to stdout."});
  return report.value().clean() ? 0 : 1;
}

}  // namespace longshore::audit
