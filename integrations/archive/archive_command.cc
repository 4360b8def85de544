#include "config/limits.h"
#include "integrations/archive/archive_settings.h"
#include "integrations/archive/archiver.h"
#include "integrations/archive/commands.h"
#include "integrations/archive/ending.h"
#include "integrations/archive/targets/shared_target.h"
#include "integrations/kafka/persist.h"
#include "integrations/kafka/pump.h"

namespace longshore::archive {

namespace {

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

int run_archive(const std::vector<std::string>& arguments) {
  auto parsed = parse_archive_settings(arguments, process_environment());
  if (!parsed) return complain("archive", parsed.error());
  if (!*parsed) return 0;
  const ArchiveSettings settings = **std::move(parsed);
  Ending ending;
  if (const auto place = open_place(settings.place); !place)
    return complain("archive", place.error());
  SharedTarget target(
      [&] { return std::move(open_place(settings.place, ending.overdue())->target); });
  const auto probe = kafka::KafkaProbe::open(settings.probe);
  if (!probe) return complain("archive", probe.error());
  const SystemClock clock;
  kafka::Complaints complaints(clock);
  const kafka::Stopping stopping = [&ending](int timeout_ms) {
    return ending.stopping(timeout_ms);
  };
  Status status = check_target(target, stopping, complaints);
  // kRetryable: the process was told to stop while it waited for --to.
  if (!status && status.error().code == ErrorCode::kRetryable) return 0;
  if (!status) return complain("archive", status.error());
  Archiver archiver(settings.archiver, target, **probe, clock, stopping, complaints);
  kafka::Pump pump(
      {.group = settings.group,
       .poll_ms = limits::kArchivePollMs,
       .poll_records = limits::kArchivePollRecords,
       .close_ms = limits::kArchiveCloseMs,
       .resilient = true},
      archiver, clock, [&](int timeout_ms) { return archiver.finished() || stopping(timeout_ms); },
      complaints);
  status = pump.run();
  if (!status && status.error().code != ErrorCode::kRetryable)
    return complain("archive", status.error());
  if (!settings.archiver.once) return 0;
  int result = 0;
  for (const std::string& left : archiver.left_out())
    result = complain("archive", {ErrorCode::kRetryable, "left out " + left + "."}, 1);
  return result;
}

}  // namespace longshore::archive
