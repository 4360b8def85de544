#include <unistd.h>

#include <cerrno>
#include <limits>
#include <optional>

#include "config/printable.h"
#include "integrations/kafka/commands.h"
#include "integrations/kafka/reading_flags.h"
#include "integrations/kafka/stop_signals.h"
#include "integrations/kafka/tap_line.h"

namespace longshore::kafka {

namespace {

const CommandHelp kHelp = {
    "tap",
    "Prints the records of topics as readable lines: those to come, or those that exist. Control\n"
    "characters in logs are shown, never obeyed. Ends on SIGINT, or when its reader closes the "
    "pipe.",
    "  longshore tap --brokers kafka:9092 --topic logs --container shop\n"};

struct Flags {
  ReadingFlags reading;
  std::string container, name, source, from;
  std::optional<uint64_t> lines;
  bool follow = false, no_follow = false, raw = false, json = false;
};

void add_flags(CommandLine& line, Flags& flags) {
  add_reading_flags(line, flags.reading);
  line.text("from", &flags.from, "beginning|end",
            "Begin here; the default is end, or beginning with --no-follow.");
  line.toggle("follow", &flags.follow, "Wait for more records (the default).");
  line.toggle("no-follow", &flags.no_follow, "Exit when everything that exists was printed.");
  line.section("What is printed");
  line.text("container", &flags.container, "NAME", "Print only records of this container.");
  line.text("name", &flags.name, "NAME", "Print only logs declared under this name.");
  line.text("source", &flags.source, "ID", "Print only records of this source (16 hex digits).");
  line.number("lines", &flags.lines, {1, std::numeric_limits<int64_t>::max()}, "N",
              "Exit after this many records.");
  line.toggle("raw", &flags.raw,
              "Print messages alone, byte for byte unless standard output is a terminal.");
  line.toggle("json", &flags.json, "Print values as they are, one a line.");
}

struct TapOptions {
  ReaderOptions reader;
  std::string container, name;
  std::optional<SourceId> source;
  uint64_t lines;
  bool raw, json;
};

// Nothing if the help was printed.
Result<std::optional<TapOptions>> parse_tap_options(const std::vector<std::string>& arguments) {
  Flags flags;
  CommandLine line(kHelp);
  add_flags(line, flags);
  const Result<bool> parsed = line.parse(arguments, process_environment());
  if (!parsed) return parsed.error();
  if (!*parsed) return std::optional<TapOptions>();
  Result<ReaderOptions> reader = reader_options(line, flags.reading);
  if (!reader) return reader.error();
  std::optional<SourceId> source;
  if (!flags.source.empty()) {
    source = parse_source_id(flags.source);
    if (!source) return line.unusable("source", flags.source, "an id has 16 hex digits");
  }
  if (flags.raw && flags.json) return invalid("--raw and --json exclude each other.");
  if (flags.follow && flags.no_follow)
    return invalid("--follow and --no-follow exclude each other.");
  if (!flags.from.empty() && flags.from != "beginning" && flags.from != "end")
    return line.unusable("from", flags.from, "use one of beginning, end");
  reader->follow = !flags.no_follow;
  reader->from_beginning = flags.from.empty() ? flags.no_follow : flags.from == "beginning";
  return std::optional(TapOptions{*std::move(reader), flags.container, flags.name, source,
                                  flags.lines.value_or(std::numeric_limits<uint64_t>::max()),
                                  flags.raw, flags.json});
}

/// Turns records into output, and knows when enough of them were printed.
class Tap {
 public:
  explicit Tap(TapOptions options) : options_(std::move(options)) {}

  void take(const ReadRecord& record) {
    if (done()) return;
    std::optional<shipper::RecordView> view = parser_.parse(record.value);
    if (view && !is_own(*view, record.key)) view.reset();
    if (!wanted(record, view)) return;
    shown_ += 1;
    if (options_.raw || options_.json) {
      append_bytes(options_.raw && view ? view->text : record.value);
    } else if (view) {
      append_line(*view, terminal_, out_);
    } else {
      append_raw_line(record, out_);
    }
  }

  bool done() const { return shown_ >= options_.lines; }

  /// False once nobody reads the output any more.
  bool write() {
    std::string_view rest = out_;
    while (!rest.empty()) {
      const ssize_t n = ::write(STDOUT_FILENO, rest.data(), rest.size());
      if (n < 0 && errno != EINTR) return false;
      if (n > 0) rest.remove_prefix(static_cast<size_t>(n));
    }
    out_.clear();
    return true;
  }

 private:
  bool wanted(const ReadRecord& record, const std::optional<shipper::RecordView>& view) const {
    if (options_.source && parse_source_id(record.key) != options_.source) return false;
    if (!options_.container.empty() && (!view || view->container != options_.container))
      return false;
    return options_.name.empty() || (view && view->name == options_.name);
  }

  void append_bytes(std::string_view bytes) {
    if (terminal_) {
      append_printable(bytes, out_);
    } else {
      out_ += bytes;
    }
    out_ += '\n';
  }

  const TapOptions options_;
  const bool terminal_ = ::isatty(STDOUT_FILENO) == 1;
  shipper::RecordParser parser_;
  std::string out_;
  uint64_t shown_ = 0;
};

}  // namespace

int run_tap(const std::vector<std::string>& arguments) {
  const auto options = parse_tap_options(arguments);
  if (!options) return complain("tap", options.error());
  if (!*options) return 0;
  const StopSignals signals;
  const auto reader = Reader::open(options.value()->reader);
  if (!reader) return complain("tap", reader.error());
  Tap tap(*options.value());
  while (!reader.value()->ended() && !tap.done() && !signals.raised(0)) {
    Status read = reader.value()->poll(100, [&tap](const ReadRecord& record) { tap.take(record); });
    const bool written = tap.write();
    if (!read) return complain("tap", read.error());
    if (!written) break;
  }
  return 0;
}

}  // namespace longshore::kafka
