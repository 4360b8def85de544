#include "config/limits.h"
#include "integrations/archive/archive_settings.h"
#include "integrations/archive/archiver.h"
#include "integrations/archive/commands.h"
#include "integrations/archive/ending.h"
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
  const Result<Place> place = open_place(settings.place, ending.overdue());
  if (!place) return complain("archive", place.error());
  const SystemClock clock;
  kafka::Complaints complaints(clock);
  const kafka::Stopping stopping = [&ending](int timeout_ms) {
    return ending.stopping(timeout_ms);
  };
  Status status = check_target(*place->target, stopping, complaints);
  if (status) {
    Archiver archiver(settings.archiver, *place->target, clock, stopping, complaints);
    kafka::Pump pump({.group = settings.group,
                      .poll_ms = limits::kArchivePollMs,
                      .poll_records = limits::kArchivePollRecords,
                      .close_ms = limits::kArchiveCloseMs,
                      .once = settings.once,
                      .resilient = true},
                     archiver, clock, stopping, complaints);
    status = pump.run();
  }
  // kRetryable: the process was told to stop while it waited for --to.
  const bool done = status || status.error().code == ErrorCode::kRetryable;
  return done ? 0 : complain("archive", status.error());
}

}  // namespace longshore::archive
