#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <iostream>
#include <limits>

#include "integrations/kafka/command_line.h"
#include "integrations/kafka/commands.h"
#include "integrations/kafka/stop_signals.h"
#include "integrations/kafka/tap_line.h"
#include "shipper/record/printable.h"

namespace longshore::kafka {

namespace {

namespace po = boost::program_options;

constexpr char kIntroduction[] =
    "longshore tap --brokers LIST --topic NAME [--container NAME] [--name NAME] [--source ID]\n\n"
    "Prints the records of topics as readable lines, those to come or those there are. Control\n"
    "characters of logs are shown, never obeyed. Ends on SIGINT, or when its reader goes.\n\nFlags";

Flags tap_flags() {
  Flags flags(kIntroduction);
  add_reading_flags(flags);
  const auto text = [](const char* name) { return po::value<std::string>()->value_name(name); };
  auto add = flags.add_options();
  add("container", text("NAME"), "only records of this container");
  add("name", text("NAME"), "only records of sources declared under this name");
  add("source", text("ID"), "only records of this source (16 hex digits)");
  add("from", text("PLACE"), "beginning or end (default: end; beginning with --no-follow)");
  add("follow", po::bool_switch(), "wait for more records (the default)");
  add("no-follow", po::bool_switch(), "end when all that is there was shown");
  add("lines", po::value<int64_t>()->value_name("N"), "end after N records");
  add("raw", po::bool_switch(), "print the messages alone, byte for byte unless on a terminal");
  add("json", po::bool_switch(), "print the values as they are, one a line");
  return flags;
}

struct TapOptions {
  ReaderOptions reader;
  std::string container, name;
  std::optional<SourceId> source;
  uint64_t lines = std::numeric_limits<uint64_t>::max();
  bool raw = false, json = false;
};

Error invalid(std::string message) { return {ErrorCode::kInvalid, std::move(message)}; }

std::string text_of(const FlagValues& values, const char* flag) {
  return values.count(flag) ? values[flag].as<std::string>() : std::string();
}

Result<TapOptions> tap_options(const FlagValues& values) {
  TapOptions options;
  Result<ReaderOptions> reader = reader_options(values);
  if (!reader) return reader.error();
  options.reader = *std::move(reader);
  options.container = text_of(values, "container");
  options.name = text_of(values, "name");
  if (const std::string id = text_of(values, "source"); !id.empty()) {
    options.source = parse_source_id(id);
    if (!options.source) return invalid("--source " + id + ": an id is 16 hex digits.");
  }
  options.raw = values["raw"].as<bool>();
  options.json = values["json"].as<bool>();
  if (options.raw && options.json) return invalid("--raw and --json exclude each other.");
  const bool no_follow = values["no-follow"].as<bool>();
  if (no_follow && values["follow"].as<bool>())
    return invalid("--follow and --no-follow exclude each other.");
  options.reader.follow = !no_follow;
  const std::string from = text_of(values, "from");
  if (!from.empty() && from != "beginning" && from != "end")
    return invalid("--from " + from + ": it is beginning or end.");
  options.reader.from_beginning = from.empty() ? no_follow : from == "beginning";
  if (values.count("lines")) {
    const int64_t lines = values["lines"].as<int64_t>();
    if (lines < 1) return invalid("--lines: give a number of records, 1 or more.");
    options.lines = static_cast<uint64_t>(lines);
  }
  return options;
}

/// Turns records into output, and knows when there was enough.
class Tap {
 public:
  explicit Tap(TapOptions options) : options_(std::move(options)) {}

  void take(const ReadRecord& record) {
    if (done()) return;
    const std::optional<shipper::RecordView> view = parser_.parse(record.value);
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

  /// False when nobody reads any more.
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
      shipper::append_printable(bytes, out_);
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

int run_tap(int argc, char** argv) {
  const Flags flags = tap_flags();
  const Result<FlagValues> values = parse_flags(argc, argv, flags);
  if (!values) return complain("tap", values.error());
  if (values.value().count("help")) {
    std::cout << flags << std::flush;
    return 0;
  }
  const Result<TapOptions> options = tap_options(values.value());
  if (!options) return complain("tap", options.error());
  const StopSignals signals;
  Result<std::unique_ptr<Reader>> reader = Reader::open(options.value().reader);
  if (!reader) return complain("tap", reader.error());
  Tap tap(options.value());
  while (!reader.value()->ended() && !tap.done() && !signals.raised(0)) {
    Status read = reader.value()->poll(100, [&tap](const ReadRecord& record) { tap.take(record); });
    const bool written = tap.write();
    if (!read) return complain("tap", read.error());
    if (!written) break;
  }
  return 0;
}

}  // namespace longshore::kafka
