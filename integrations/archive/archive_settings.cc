#include "integrations/archive/archive_settings.h"

#include <utility>

#include "integrations/kafka/reading_flags.h"

namespace longshore::archive {
namespace {

const CommandHelp kHelp = {
    "archive",
    "Copies topics from Kafka into HDFS or a mounted file system as files of JSON lines, each "
    "record\n"
    "once. Several processes with the same --group share the partitions. The names of the files "
    "say\n"
    "which offsets they hold, so a new process continues where the last one ended.\n"
    "Exit status: 0 stopped, or done with --once; 1 done, but partitions that are named were left\n"
    "out; 2 unusable settings.",
    "  longshore archive --brokers kafka:9092 --topic logs --to webhdfs://namenode:9870/logs\n"};

constexpr int64_t kRollMax = int64_t{1} << 40;
constexpr int64_t kNsPerSecond = 1'000'000'000;
constexpr int64_t kMsPerHour = 3'600'000;
constexpr int kGzipLevelMax = 9;

struct Flags {
  kafka::ReadingFlags reading;
  TargetFlags target{"to"};
  std::string group = "longshore-archive";
  SpoolOptions spool{.folder = "/var/tmp"};
  uint64_t roll_bytes = 128 << 20;
  int64_t roll_seconds = 600, leftover_hours = 24;
  size_t open_files = 64;
  bool once = false;
  std::string metrics_file;
};

void add_flags(CommandLine& line, Flags& flags) {
  kafka::add_reading_flags(line, flags.reading);
  line.text("group", &flags.group, "NAME", "Join this consumer group.");
  line.toggle("once", &flags.once, "Archive everything that is there at the start, then exit.");
  line.section("The files");
  line.text("work-dir", &flags.spool.folder, "DIR",
            "Let files grow here, on a local disk, until they are published; it needs room for "
            "twice --open-files times --roll-bytes.");
  line.choice<Codec>("compress", &flags.spool.codec,
                     {{"zstd", Codec::kZstd}, {"gzip", Codec::kGzip}, {"none", Codec::kNone}},
                     "Compress files in this way.");
  line.number("level", &flags.spool.level, {1, 19}, "N",
              "Compress this hard; gzip has 9 levels, zstd 19.");
  line.bytes("roll-bytes", &flags.roll_bytes, {1, kRollMax},
             "Publish a file that has grown to this size.");
  line.number("roll-seconds", &flags.roll_seconds, {1, kRollMax}, "SECONDS",
              "Publish a file that has reached this age, or when the next hour begins.");
  line.number("open-files", &flags.open_files, {1, 100'000}, "N",
              "Let at most this many files grow at a time.");
  line.number("leftover-hours", &flags.leftover_hours, {1, kRollMax}, "HOURS",
              "Remove unfinished files of a process that died from the archive at this age.");
  add_target_flags(line, flags.target);
  line.section("Progress");
  line.text("metrics-file", &flags.metrics_file, "FILE",
            "Write metrics for Prometheus into this file every 10 seconds.");
}

}  // namespace

Result<std::optional<ArchiveSettings>> parse_archive_settings(
    const std::vector<std::string>& arguments, const Environment& environment) {
  Flags flags;
  CommandLine line(kHelp);
  add_flags(line, flags);
  const Result<bool> parsed = line.parse(arguments, environment);
  if (!parsed) return parsed.error();
  if (!*parsed) return std::optional<ArchiveSettings>();
  auto reader = kafka::reader_options(line, flags.reading);
  if (!reader) return reader.error();
  auto place = place_options(line, flags.target);
  if (!place) return place.error();
  if (flags.spool.codec == Codec::kGzip && flags.spool.level > kGzipLevelMax)
    return line.unusable("level", std::to_string(flags.spool.level), "gzip has the levels 1 to 9");
  // A folder that cannot be written is found now, not with the first record.
  auto probe = SpoolFile::open(flags.spool, 0, {}, 0);
  if (!probe) return invalid(probe.error().message + ".");
  ArchiverOptions archiver{.spool = flags.spool, .layout = place->layout};
  archiver.roll_bytes = static_cast<int64_t>(flags.roll_bytes);
  archiver.roll_ns = flags.roll_seconds * kNsPerSecond;
  archiver.open_files = flags.open_files;
  archiver.leftover_ms = flags.leftover_hours * kMsPerHour;
  archiver.once = flags.once;
  archiver.metrics_file = flags.metrics_file;
  return std::optional(ArchiveSettings{kafka::group_options(*reader, flags.group),
                                       *std::move(place), *reader, std::move(archiver)});
}

}  // namespace longshore::archive
