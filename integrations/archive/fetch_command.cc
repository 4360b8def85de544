#include <fmt/format.h>
#include <re2/re2.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <iostream>

#include "config/time_text.h"
#include "integrations/archive/commands.h"
#include "integrations/archive/history.h"
#include "integrations/archive/target_flags.h"

namespace longshore::archive {

namespace {

namespace po = boost::program_options;

constexpr char kIntroduction[] =
    "longshore fetch --from URL --topic NAME [--since TIME] [--until TIME] [--container NAME]\n"
    "                [--source NAME] [--grep RE2]\n\n"
    "Prints the lines of an archive that match, the oldest hour first, and those of one log in\n"
    "their order. Only files that can hold them are read.\n"
    "Times are UTC unless they say otherwise: 2026-11-21, 2026-11-21T14:00, with Z or +01:00.\n"
    "Exit status: 0 done, 1 a file could not be read or a line not printed, 2 unusable "
    "settings.\n\n"
    "Flags";

kafka::Flags fetch_flags() {
  kafka::Flags flags(kIntroduction);
  const auto text = [](const char* name) { return po::value<std::string>()->value_name(name); };
  auto add = flags.add_options();
  add("help,h", "show this and exit");
  add("from", text("URL"), "the archive: webhdfs://host:port/dir, swebhdfs://, file:///dir");
  add("topic", text("NAME"), "the topic");
  add("since", text("TIME"), "only lines made at this time or later,");
  add("until", text("TIME"), "and before this one");
  add("late-hours", po::value<int64_t>()->default_value(2)->value_name("N"),
      "how long behind --until files are looked through for lines that reached Kafka late");
  add("container", text("NAME"), "only lines of this container");
  add("source", text("NAME"), "only lines of logs declared under this name, or of this id");
  add("grep", text("RE2"), "only lines whose message matches this expression");
  add("raw", po::bool_switch(), "print the messages alone (the default)");
  add("json", po::bool_switch(), "print the lines as they are in the archive");
  add_target_flags(flags);
  return flags;
}

Error invalid(std::string message) { return {ErrorCode::kInvalid, std::move(message)}; }

std::string text_of(const kafka::FlagValues& values, const char* flag) {
  return values.count(flag) ? values[flag].as<std::string>() : std::string();
}

struct FetchOptions {
  std::string topic, container, source;
  TimeRange range;
  std::unique_ptr<re2::RE2> grep;
  bool json = false;
};

Result<FetchOptions> fetch_options(const kafka::FlagValues& values) {
  FetchOptions options;
  options.topic = text_of(values, "topic");
  if (options.topic.empty()) return invalid("--topic is missing: name the topic to read.");
  options.container = text_of(values, "container");
  options.source = text_of(values, "source");
  for (const auto& [flag, into] :
       {std::pair{"since", &options.range.since_ms}, std::pair{"until", &options.range.until_ms}}) {
    const std::string time = text_of(values, flag);
    if (time.empty()) continue;
    *into = parse_time_ms(time);
    if (!*into) {
      return invalid(
          fmt::format("--{} {}: write it as 2026-11-21 or 2026-11-21T14:00:00Z.", flag, time));
    }
  }
  options.range.late_hours = values["late-hours"].as<int64_t>();
  if (options.range.late_hours < 0 || options.range.late_hours > 1'000'000)
    return invalid("--late-hours: give a number of hours, 0 or more.");
  if (const std::string grep = text_of(values, "grep"); !grep.empty()) {
    re2::RE2::Options quiet;
    quiet.set_log_errors(false);
    options.grep = std::make_unique<re2::RE2>(grep, quiet);
    if (!options.grep->ok())
      return invalid(fmt::format("--grep {}: {}.", grep, options.grep->error()));
  }
  options.json = values["json"].as<bool>();
  if (options.json && values["raw"].as<bool>())
    return invalid("--raw and --json exclude each other.");
  return options;
}

/// Chooses lines and prints them.
class Printer {
 public:
  explicit Printer(const FetchOptions& options) : options_(options) {}

  Status take(std::string_view line, Hour hour) {
    const LineView view = reader_.parse(line);
    if (!wanted(view, hour)) return ok();
    out_ += options_.json ? line : view.text;
    out_ += '\n';
    constexpr size_t kGatherBytes = 256 << 10;
    return out_.size() < kGatherBytes ? ok() : write();
  }

  /// Errors: kFull: the reader of stdout is gone, or the disk is full. Drops what was not written.
  Status write() {
    std::string_view rest = out_;
    while (!rest.empty()) {
      const ssize_t n = ::write(STDOUT_FILENO, rest.data(), rest.size());
      if (n < 0 && errno != EINTR) {
        out_.clear();
        return Error{ErrorCode::kFull,
                     fmt::format("could not write to stdout: {}", std::strerror(errno))};
      }
      if (n > 0) rest.remove_prefix(static_cast<size_t>(n));
    }
    out_.clear();
    return ok();
  }

 private:
  bool wanted(const LineView& view, Hour hour) const {
    constexpr int64_t kMsPerHour = 3'600'000;
    const auto time = parse_time_ms(view.time);
    // A foreign line without a time gets that of its file.
    if (!options_.range.holds(time.value_or(hour.number * kMsPerHour))) return false;
    if (!options_.container.empty() &&
        (!view.record || view.record->container != options_.container))
      return false;
    if (!options_.source.empty() &&
        (!view.record || (view.record->name != options_.source &&
                          to_string(view.record->source) != options_.source)))
      return false;
    return !options_.grep ||
           re2::RE2::PartialMatch(re2::StringPiece(view.text.data(), view.text.size()),
                                  *options_.grep);
  }

  const FetchOptions& options_;
  LineReader reader_;
  std::string out_;
};

// While nothing of the file was printed yet, retries an archive that is starting or failing over.
Status print_file(ArchiveTarget& target, const ArchivedFile& file, Printer& printer) {
  constexpr int kTries = 5;
  for (int attempt = 1;; ++attempt) {
    bool begun = false;
    Status status = read_lines(target, file, [&](std::string_view line) {
      begun = true;
      return printer.take(line, file.hour);
    });
    if (status || begun || attempt == kTries || status.error().code != ErrorCode::kRetryable)
      return status;
    ::sleep(1);
  }
}

}  // namespace

int run_fetch(int argc, char** argv) {
  const kafka::Flags flags = fetch_flags();
  const Result<kafka::FlagValues> values = kafka::parse_flags(argc, argv, flags);
  if (!values) return kafka::complain("fetch", values.error());
  if (values->count("help")) {
    std::cout << flags << std::flush;
    return 0;
  }
  const Result<FetchOptions> options = fetch_options(values.value());
  if (!options) return kafka::complain("fetch", options.error());
  Result<Place> place = place_of(values.value(), "from", nullptr);
  if (!place) return kafka::complain("fetch", place.error());
  const FileQuery query = options->range.query(options->topic);
  Result<std::vector<ArchivedFile>> files = find_files(*place->target, place->layout, query);
  if (!files) return kafka::complain("fetch", files.error());
  sort_for_reading(*files);
  Printer printer(options.value());
  Status status = ok();
  for (auto file = files->begin(); status && file != files->end(); ++file)
    status = print_file(*place->target, *file, printer);
  const Status written = printer.write();
  if (status) status = written;
  return status ? 0 : kafka::complain("fetch", status.error(), 1);
}

}  // namespace longshore::archive
