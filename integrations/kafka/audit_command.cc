#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <iostream>
#include <optional>

#include "integrations/kafka/command_line.h"
#include "integrations/kafka/commands.h"
#include "integrations/kafka/printable.h"
#include "integrations/kafka/topic_audit.h"

namespace longshore::kafka {

namespace {

namespace po = boost::program_options;
using std::chrono::duration;
using std::chrono::steady_clock;

constexpr char kIntroduction[] =
    "longshore audit --brokers LIST --topic NAME [--source name=path]...\n\n"
    "Reads topics up to their present end and proves for each source, from the ranges that its\n"
    "records carry, that nothing is missing, twice or out of order. Records without a range\n"
    "(format raw, other producers) are counted apart. With --source the lines of a source are\n"
    "compared byte for byte with the file that it was collected from, from its beginning.\n"
    "Exit status: 0 all complete, 1 something is wrong, 2 unusable settings.\n\nFlags";

Flags audit_flags() {
  Flags flags(kIntroduction);
  add_reading_flags(flags);
  auto add = flags.add_options();
  add("source", po::value<std::vector<std::string>>()->value_name("NAME=PATH"),
      "compare the source of this name with a file or glob; given again, with the next file of "
      "the same stream (oldest first). id:<16 hex digits> where several sources have one name");
  add("expect-sources", po::value<size_t>()->value_name("N"),
      "it is wrong if there are more or fewer sources");
  add("json", po::bool_switch(), "print one JSON object instead of the table");
  return flags;
}

/// One line on a terminal, once it takes more than a second.
class Progress {
 public:
  ~Progress() {
    if (shown_) fmt::print(stderr, "\r\x1b[K");
  }

  void add(size_t bytes) { records_ += 1, bytes_ += bytes; }
  void show(const Reader& reader) {
    const auto now = steady_clock::now();
    if (!terminal_ || now - shown_at_ < std::chrono::milliseconds(shown_ ? 250 : 1000)) return;
    shown_ = true;
    shown_at_ = now;
    const double mb = static_cast<double>(bytes_) / 1e6;
    const double seconds = duration<double>(now - started_).count();
    const uint64_t total = reader.offsets_total();
    fmt::print(stderr, "\r\x1b[Kaudit: {} records, {:.0f} MB, {:.0f} MB/s, {}%", records_, mb,
               mb / seconds, total ? reader.offsets_passed() * 100 / total : 100);
    std::fflush(stderr);
  }

 private:
  const bool terminal_ = ::isatty(STDERR_FILENO) == 1;
  const steady_clock::time_point started_ = steady_clock::now();
  steady_clock::time_point shown_at_ = started_;
  bool shown_ = false;
  uint64_t records_ = 0, bytes_ = 0;
};

/// Reads all there is into `audit`. Gives up when nothing comes for a minute.
Status read_all(Reader& reader, TopicAudit& audit) {
  constexpr auto kPatience = std::chrono::seconds(60);
  Progress progress;
  Status status = ok();
  auto moved_at = steady_clock::now();
  uint64_t passed = 0;
  while (!reader.ended() && status) {
    Status read = reader.poll(20, [&](const ReadRecord& record) {
      if (!status) return;
      progress.add(record.key.size() + record.value.size());
      status = audit.add(record);
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

void add_notes(const Reader& reader, const FlagValues& values, AuditReport& report) {
  for (const HeldBack& held : reader.held_back()) {
    report.notes.push_back(fmt::format(
        "{}[{}]: {} offsets at its end belong to a transaction that is still open, or came behind "
        "it, and were not read; run it again when that has ended.",
        held.topic, held.partition, held.records));
  }
  if (report.sources.empty() && report.raw.empty())
    report.notes.push_back("the topic holds no records.");
  if (!values.count("expect-sources")) return;
  const size_t expected = values["expect-sources"].as<size_t>();
  if (expected != report.sources.size()) {
    report.problems.push_back(
        fmt::format("--expect-sources: {} sources were expected, {} are there.", expected,
                    report.sources.size()));
  }
}

}  // namespace

int run_audit(int argc, char** argv) {
  const Flags flags = audit_flags();
  const Result<FlagValues> values = parse_flags(argc, argv, flags);
  if (!values) return complain("audit", values.error());
  if (values.value().count("help")) {
    std::cout << flags << std::flush;
    return 0;
  }
  const Result<ReaderOptions> options = reader_options(values.value());
  if (!options) return complain("audit", options.error());
  const auto expectations = parse_expectations(all_of(values.value(), "source"));
  if (!expectations) return complain("audit", expectations.error());
  Result<TopicAudit> audit = TopicAudit::make(expectations.value());
  if (!audit) return complain("audit", audit.error());
  Result<std::unique_ptr<Reader>> reader = Reader::open(options.value());
  if (!reader) return complain("audit", reader.error());
  if (Status status = read_all(*reader.value(), audit.value()); !status)
    return complain("audit", status.error());

  AuditReport report = audit->finish();
  add_notes(*reader.value(), values.value(), report);
  const std::string text = values.value()["json"].as<bool>()
                               ? as_json(report)
                               : as_table(report, ::isatty(STDOUT_FILENO) == 1);
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
    return complain("audit", {ErrorCode::kFull, "Could not write the report to stdout."});
  return report.clean() ? 0 : 1;
}

}  // namespace longshore::kafka
