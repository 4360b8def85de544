#include <fmt/format.h>
#include <re2/re2.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <tuple>

#include "config/printable.h"
#include "config/time_text.h"
#include "integrations/archive/commands.h"
#include "integrations/archive/history.h"
#include "integrations/archive/target_flags.h"

namespace longshore::archive {

namespace {

const CommandHelp kHelp = {
    "fetch",
    "Prints the lines of an archive that match, the oldest hour first, and those of one log in "
    "their\n"
    "order. Files that cannot hold such lines are not read. On a terminal, control characters are "
    "shown,\n"
    "never obeyed.\n"
    "A file that is damaged is named, and the others are read.\n"
    "Exit status: 0 done, 1 no line matched, 2 unusable settings, or no such archive or topic,\n"
    "3 lines are missing: a file could not be read wholly, or a line not printed.",
    "  longshore fetch --from file:///archive --topic logs --since 2026-11-21 --grep "
    "'ERROR|FATAL'\n"};

struct Flags {
  TargetFlags target{"from"};
  std::string topic, container, source, since, until, grep;
  int64_t late_hours = TimeRange().late_hours;
  bool raw = false, json = false;
};

void add_flags(CommandLine& line, Flags& flags) {
  line.section("Which lines");
  line.text("topic", &flags.topic, "NAME", "Read this topic (required).");
  line.text("since", &flags.since, "TIME",
            "Print lines made at this time or later, such as 2026-11-21 or 2026-11-21T14:00+01:00; "
            "UTC unless it says otherwise.");
  line.text("until", &flags.until, "TIME", "Print lines made before this time.");
  line.number("late-hours", &flags.late_hours, {0, 1'000'000}, "HOURS",
              "Look for lines that reached Kafka late in files up to this long after --until.");
  line.text("container", &flags.container, "NAME", "Print lines of this container.");
  line.text("source", &flags.source, "NAME",
            "Print lines of the logs that were declared under this name, or that have this id.");
  line.text("grep", &flags.grep, "RE2", "Print lines whose message matches this expression.");
  line.toggle("raw", &flags.raw, "Print the messages alone (the default).");
  line.toggle("json", &flags.json, "Print lines as the archive has them.");
  add_target_flags(line, flags.target);
}

struct FetchOptions {
  PlaceOptions place;
  std::string topic, container, source;
  TimeRange range;
  std::unique_ptr<re2::RE2> grep;
  bool json;
};

Status set_range(const CommandLine& line, const Flags& flags, TimeRange& range) {
  range.late_hours = flags.late_hours;
  for (const auto& [flag, time, into] : {std::tuple{"since", &flags.since, &range.since_ms},
                                         std::tuple{"until", &flags.until, &range.until_ms}}) {
    if (time->empty()) continue;
    *into = parse_time_ms(*time);
    if (!*into) return line.unusable(flag, *time, "write it as 2026-11-21 or 2026-11-21T14:00:00Z");
  }
  if (range.since_ms && range.until_ms && *range.until_ms <= *range.since_ms)
    return line.unusable("until", flags.until, "it must be later than --since");
  return ok();
}

// Nothing if the help was printed.
Result<std::optional<FetchOptions>> parse_fetch_options(const std::vector<std::string>& arguments) {
  Flags flags;
  CommandLine line(kHelp);
  add_flags(line, flags);
  const Result<bool> parsed = line.parse(arguments, process_environment());
  if (!parsed) return parsed.error();
  if (!*parsed) return std::optional<FetchOptions>();
  if (flags.topic.empty()) return missing("topic", "name the topic to read");
  TimeRange range;
  if (Status set = set_range(line, flags, range); !set) return set.error();
  std::unique_ptr<re2::RE2> grep;
  if (!flags.grep.empty()) {
    re2::RE2::Options quiet;
    quiet.set_log_errors(false);
    grep = std::make_unique<re2::RE2>(flags.grep, quiet);
    if (!grep->ok()) return line.unusable("grep", flags.grep, grep->error());
  }
  if (flags.json && flags.raw) return invalid("--raw and --json exclude each other.");
  auto place = place_options(line, flags.target);
  if (!place) return place.error();
  return std::optional(FetchOptions{*std::move(place), flags.topic, flags.container, flags.source,
                                    range, std::move(grep), flags.json});
}

/// Chooses lines and prints them.
class Printer {
 public:
  explicit Printer(const FetchOptions& options) : options_(options) {}

  Status take(std::string_view line, Hour hour) {
    const LineView view = reader_.parse(line);
    if (!wanted(view, hour)) return ok();
    const std::string_view bytes = options_.json ? line : view.text;
    if (terminal_) {
      append_printable(bytes, out_);
    } else {
      out_ += bytes;
    }
    out_ += '\n';
    lines_ += 1;
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
        failed_ = true;
        return Error{ErrorCode::kFull,
                     fmt::format("could not write to stdout: {}", std::strerror(errno))};
      }
      if (n > 0) rest.remove_prefix(static_cast<size_t>(n));
    }
    out_.clear();
    return ok();
  }

  uint64_t lines() const { return lines_; }
  /// Whether write() failed.
  bool failed() const { return failed_; }

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
  const bool terminal_ = ::isatty(STDOUT_FILENO) == 1;
  LineReader reader_;
  std::string out_;
  uint64_t lines_ = 0;
  bool failed_ = false;
};

constexpr int kNoneStatus = 1, kMissingStatus = 3;

// Prints the lines of all files, and names those that are damaged. Returns the exit status.
int print_files(ArchiveTarget& target, const std::vector<ArchivedFile>& files, Printer& printer) {
  int result = 0;
  for (const ArchivedFile& file : files) {
    const Status status = read_lines(
        target, file, [&](std::string_view line) { return printer.take(line, file.hour); });
    if (status) continue;
    result = complain("fetch", status.error(), kMissingStatus);
    if (printer.failed() || status.error().code != ErrorCode::kCorrupt) return result;
  }
  return result;
}

}  // namespace

int run_fetch(const std::vector<std::string>& arguments) {
  const auto parsed = parse_fetch_options(arguments);
  if (!parsed) return complain("fetch", parsed.error());
  if (!*parsed) return 0;
  const FetchOptions& options = **parsed;
  const Result<Place> place = open_place(options.place);
  if (!place) return complain("fetch", place.error());
  const FileQuery query = options.range.query(options.topic);
  Result<std::vector<ArchivedFile>> files = find_files(*place->target, place->layout, query);
  if (!files) return complain("fetch", files.error());
  if (files->empty()) {
    const Error why = why_no_files(*place->target, place->layout, query, options.place.target.url);
    return complain("fetch", why, why.code == ErrorCode::kNotFound ? kNoneStatus : 2);
  }
  sort_for_reading(*files);
  Printer printer(options);
  int result = print_files(*place->target, *files, printer);
  if (const Status written = printer.write(); !written)
    result = complain("fetch", written.error(), kMissingStatus);
  if (result == 0 && printer.lines() == 0) {
    return complain(
        "fetch",
        {ErrorCode::kNotFound,
         fmt::format("No line of the {} files for these hours matches.", files->size())},
        kNoneStatus);
  }
  return result;
}

}  // namespace longshore::archive
