#include <fmt/format.h>
#include <unistd.h>

#include <iostream>

#include "config/limits.h"
#include "config/log.h"
#include "integrations/archive/archiver.h"
#include "integrations/archive/commands.h"
#include "integrations/archive/ending.h"
#include "integrations/archive/target_flags.h"
#include "integrations/kafka/persist.h"
#include "integrations/kafka/pump.h"

namespace longshore::archive {

namespace {

namespace po = boost::program_options;

constexpr char kIntroduction[] =
    "longshore archive --brokers LIST --topic NAME --to URL\n\n"
    "Carries topics from Kafka into HDFS or a mounted file system, as files of JSON lines, each\n"
    "record once. Several archivers with one --group share the partitions. The names of the files\n"
    "tell which offsets are there; archiving always continues after them.\n"
    "Exit status: 0 stopped, or done with --once; 2 unusable settings.\n\nFlags";

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

/// Checks that the archive answers and that we may write there.
Status check_target(ArchiveTarget& target, const kafka::Stopping& stopping,
                    kafka::Complaints& complaints) {
  Status status = kafka::persist("archive: --to", stopping, complaints,
                                 [&target] { return target.make_folder(kOwnFolder); });
  if (!status && status.error().code == ErrorCode::kInvalid)
    return invalid("--to: " + status.error().message + ".");
  return status;
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
  Ending ending;
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
  const SystemClock clock;
  kafka::Complaints complaints(clock);
  const kafka::Stopping stopping = [&ending](int timeout_ms) {
    return ending.stopping(timeout_ms);
  };
  Status status = check_target(*place->target, stopping, complaints);
  if (status) {
    Archiver archiver(*std::move(options), *place->target, clock, stopping, complaints);
    kafka::Pump pump({.group = group,
                      .poll_ms = limits::kArchivePollMs,
                      .poll_records = limits::kArchivePollRecords,
                      .close_ms = limits::kArchiveCloseMs,
                      .once = values.value()["once"].as<bool>(),
                      .resilient = true},
                     archiver, clock, stopping, complaints);
    status = pump.run();
  }
  // kRetryable: the process was to end while it waited for --to.
  const bool done = status || status.error().code == ErrorCode::kRetryable;
  return done ? 0 : kafka::complain("archive", status.error());
}

}  // namespace longshore::archive
