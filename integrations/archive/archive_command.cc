#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <thread>

#include "config/log.h"
#include "integrations/archive/archiver.h"
#include "integrations/archive/commands.h"
#include "integrations/archive/target_flags.h"
#include "integrations/kafka/stop_signals.h"

namespace longshore::archive {

namespace {

namespace po = boost::program_options;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr char kIntroduction[] =
    "longshore archive --brokers LIST --topic NAME --to URL\n\n"
    "Carries topics from Kafka into HDFS or a mounted file system, as files of JSON lines, each\n"
    "record once. Several of them with one --group share the partitions. The names of the files\n"
    "say which offsets are there; whatever happens, it goes on behind them.\n"
    "Exit status: 0 stopped, or done with --once; 2 unusable settings.\n\nFlags";

constexpr int64_t kProgressNs = int64_t{10} * 1'000'000'000;
constexpr auto kRejoinPause = milliseconds(1'000);
/// From SIGTERM on: until when files are still published, and when it ends in any case. What was
/// not published is read again from Kafka, so it may end at any moment.
constexpr auto kPublishUntil = milliseconds(6'000), kEndAt = milliseconds(9'000);
constexpr int kCloseMs = 2'000;

kafka::Flags archive_flags() {
  kafka::Flags flags(kIntroduction);
  kafka::add_reading_flags(flags);
  const auto text = [](const char* name) { return po::value<std::string>()->value_name(name); };
  auto add = flags.add_options();
  add("group", text("NAME")->default_value("longshore-archive"), "the consumer group");
  add("to", text("URL"),
      "webhdfs://namenode:9870[,namenode:9870...]/dir (also HttpFS), swebhdfs:// with TLS, or "
      "file:///dir");
  add("work-dir", text("DIR")->default_value("/var/tmp"),
      "where files grow until they are published, on a local disk");
  add("compress", text("KIND")->default_value("zstd"), "zstd, gzip or none");
  add("level", po::value<int>()->default_value(3), "how hard to compress: 1 to 19, gzip 1 to 9");
  add("roll-bytes", po::value<int64_t>()->default_value(128 << 20)->value_name("N"),
      "a file is published when it has this many bytes,");
  add("roll-seconds", po::value<int64_t>()->default_value(600)->value_name("N"),
      "or is this old, or the next hour begins");
  add("open-files", po::value<size_t>()->default_value(64)->value_name("N"),
      "how many files may grow at a time; --work-dir needs this many times --roll-bytes");
  add("leftover-hours", po::value<int64_t>()->default_value(24)->value_name("N"),
      "what an attempt that died has left in the archive is removed when it is this old");
  add("once", po::bool_switch(), "archive all that is there, then exit 0");
  add_target_flags(flags);
  return flags;
}

Error invalid(std::string message) { return {ErrorCode::kInvalid, std::move(message)}; }

Result<ArchiverOptions> archiver_options(const kafka::FlagValues& values, const Layout& layout) {
  Result<Codec> codec = parse_codec(values["compress"].as<std::string>());
  if (!codec) return codec.error();
  const int level = values["level"].as<int>();
  const int most = *codec == Codec::kGzip ? 9 : 19;
  if (level < 1 || level > most) return invalid(fmt::format("--level: it is 1 to {}.", most));
  for (const char* flag : {"roll-bytes", "roll-seconds", "leftover-hours"}) {
    if (values[flag].as<int64_t>() < 1 || values[flag].as<int64_t>() > int64_t{1} << 40)
      return invalid(fmt::format("--{}: give a number, 1 or more.", flag));
  }
  if (values["open-files"].as<size_t>() < 1 || values["open-files"].as<size_t>() > 100'000)
    return invalid("--open-files: give a number, 1 or more.");
  ArchiverOptions options{.spool = {values["work-dir"].as<std::string>(), *codec, level},
                          .layout = layout};
  options.roll_bytes = values["roll-bytes"].as<int64_t>();
  options.roll_ns = values["roll-seconds"].as<int64_t>() * 1'000'000'000;
  options.open_files = values["open-files"].as<size_t>();
  options.leftover_ms = values["leftover-hours"].as<int64_t>() * 3'600'000;
  Result<SpoolFile> probe = SpoolFile::open(options.spool, 0, {}, 0);
  if (!probe) return invalid(probe.error().message + ".");
  return options;
}

/// Watches for SIGTERM on a thread of its own, for a file system may hold the other one up.
class Ending {
 public:
  Ending() : watch_([this] { watch(); }) {}
  ~Ending() {
    done_ = true;
    watch_.join();
  }

  const std::atomic<bool>& stopping() const { return stopping_; }
  /// The archive is not waited for any longer.
  const std::atomic<bool>* overdue() const { return &overdue_; }

 private:
  void watch() {
    constexpr int kTickMs = 50;
    while (!done_ && !signals_.raised(kTickMs)) {
    }
    stopping_ = true;
    const auto began = steady_clock::now();
    while (!done_) {
      std::this_thread::sleep_for(milliseconds(kTickMs));
      if (steady_clock::now() - began > kPublishUntil) overdue_ = true;
      if (steady_clock::now() - began > kEndAt) std::_Exit(0);
    }
  }

  const kafka::StopSignals signals_;
  std::atomic<bool> done_ = false, stopping_ = false, overdue_ = false;
  std::thread watch_;
};

/// A line each ten seconds in which something was done.
class Report {
 public:
  explicit Report(const Clock& clock) : clock_(clock), said_ns_(clock.monotonic_ns()) {}

  void show(const Archiver& archiver, const kafka::GroupReader& reader, bool now = false) {
    const int64_t elapsed = clock_.monotonic_ns() - said_ns_;
    if (!now && elapsed < kProgressNs) return;
    const ArchiverCounts& counts = archiver.counts();
    if (counts.records == before_.records && counts.files == before_.files &&
        counts.refused == before_.refused)
      return;
    int64_t lag = 0;
    for (const kafka::GroupPosition& position : reader.positions())
      lag += position.high - position.next;
    const double seconds = std::max(static_cast<double>(elapsed) / 1e9, 0.001);
    spdlog::info(
        "archive: {} records, {:.1f} MB/s, {} files published with {:.1f} MB, {} open, {} "
        "refused, lag {}",
        counts.records, static_cast<double>(counts.bytes - before_.bytes) / 1e6 / seconds,
        counts.files, static_cast<double>(counts.file_bytes) / 1e6, archiver.open_files(),
        counts.refused, lag);
    before_ = counts;
    said_ns_ = clock_.monotonic_ns();
  }

 private:
  const Clock& clock_;
  int64_t said_ns_;
  ArchiverCounts before_;
};

/// One membership. Returns whether all is done; an error asks for another membership.
Result<bool> serve(Archiver& archiver, const kafka::GroupOptions& options,
                   const std::atomic<bool>& stopping, bool once, Report& report) {
  auto opened = kafka::GroupReader::open(options, archiver);
  if (!opened) return opened.error();
  kafka::GroupReader& reader = **opened;
  Status status = ok();
  bool done = false;
  while (status && !stopping && !done) {
    status = archiver.turn(reader);
    if (status && once && reader.at_end()) status = archiver.seal_all();
    done = status && once && reader.at_end() && archiver.idle();
    report.show(archiver, reader);
  }
  if (stopping && archiver.seal_all()) archiver.publish_sealed(reader);
  reader.close(kCloseMs);
  if (done || stopping) {
    report.show(archiver, reader, true);
    return true;
  }
  return status.error();
}

/// The archive answers, and we may write there. Waits for one that is away.
Status check_target(ArchiveTarget& target, const std::atomic<bool>& stopping) {
  bool said = false;
  for (;;) {
    Status status = target.make_folder(kOwnFolder);
    if (status || stopping) return ok();
    if (status.error().code == ErrorCode::kInvalid)
      return invalid("--to: " + status.error().message + ".");
    if (!said) spdlog::warn("archive: waiting for --to: {}", status.error().message);
    said = true;
    std::this_thread::sleep_for(kRejoinPause);
  }
}

}  // namespace

int run_archive(int argc, char** argv) {
  const kafka::Flags flags = archive_flags();
  const Result<kafka::FlagValues> values = kafka::parse_flags(argc, argv, flags);
  if (!values) return kafka::complain("archive", values.error());
  if (values->count("help")) {
    std::cout << flags << std::flush;
    return 0;
  }
  const Result<kafka::ReaderOptions> reading = kafka::reader_options(values.value());
  if (!reading) return kafka::complain("archive", reading.error());
  start_log();
  const Ending ending;
  Result<Place> place = place_of(values.value(), "to", ending.overdue());
  if (!place) return kafka::complain("archive", place.error());
  Result<ArchiverOptions> options = archiver_options(values.value(), place->layout);
  if (!options) return kafka::complain("archive", options.error());
  kafka::GroupOptions group;
  group.brokers = reading->brokers;
  group.topics = reading->topics;
  group.settings = reading->settings;
  group.read_committed = reading->read_committed;
  group.group = values.value()["group"].as<std::string>();
  if (Status usable = check_target(*place->target, ending.stopping()); !usable)
    return kafka::complain("archive", usable.error());
  const SystemClock clock;
  Archiver archiver(*std::move(options), *place->target, clock, ending.stopping());
  Report report(clock);
  for (;;) {
    const Result<bool> served =
        serve(archiver, group, ending.stopping(), values.value()["once"].as<bool>(), report);
    if (served) return 0;
    const Error& error = served.error();
    // A setting is refused before the first poll.
    if (error.code == ErrorCode::kFatal ||
        (error.code == ErrorCode::kInvalid && archiver.counts().records == 0))
      return kafka::complain("archive", error);
    spdlog::warn("archive: joining the group again: {}", error.message);
    std::this_thread::sleep_for(kRejoinPause);
  }
}

}  // namespace longshore::archive
