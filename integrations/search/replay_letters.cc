#include "integrations/search/replay_letters.h"

#include <fmt/format.h>

#include <memory>
#include <utility>
#include <vector>

#include "config/clock.h"
#include "config/limits.h"
#include "config/printable.h"
#include "integrations/kafka/persist.h"
#include "integrations/kafka/pump.h"
#include "integrations/kafka/record_probe.h"
#include "integrations/search/bulk_worker.h"
#include "integrations/search/indexer.h"
#include "integrations/search/letter_writer.h"
#include "integrations/search/replayer.h"

namespace longshore::search {

namespace {

constexpr size_t kReasonShownBytes = 300;

Status check_topic(const ReplaySettings& settings, const kafka::Stopping& stopping,
                   kafka::Complaints& complaints, kafka::KafkaProbe& probe) {
  const kafka::PartitionKey first{settings.index.group.topics.front(), 0};
  const Status there = kafka::persist("Starting", stopping, complaints, [&]() -> Status {
    const Result<kafka::Ends> ends = probe.ends(first);
    return ends ? ok() : Status(ends.error());
  });
  if (there || there.error().code != ErrorCode::kNotFound) return there;
  return Error{ErrorCode::kNotFound,
               fmt::format("--dead-letter: Kafka at {} has no topic {}; name the one that "
                           "'longshore index --dead-letter' fills.",
                           settings.index.group.brokers, printable(first.topic))};
}

Status check_service(const ReplaySettings& settings, const kafka::Stopping& stopping,
                     kafka::Complaints& complaints, SearchNode& node) {
  if (settings.dry_run) return ok();
  return kafka::persist("Starting", stopping, complaints, [&node]() -> Status {
    const Result<FlatType> type = node.find_type();
    return type ? ok() : Status(type.error());
  });
}

void add_lines(const char* head, const std::vector<std::string>& lines, std::string& text) {
  if (lines.empty()) return;
  text += head;
  for (const std::string& line : lines) text += line + "\n";
}

// What is not zero, in one line.
std::string sum_of(const ReplayReport& report, const Tally& tally, bool dry_run) {
  std::string text = fmt::format("Dead letters: {}", report.letters());
  if (!dry_run)
    text +=
        fmt::format("; stored: {}; already there: {}", tally.created.load(), tally.there.load());
  const auto add = [&](LetterFate fate, const char* words) {
    if (const uint64_t count = report.count(fate); count > 0)
      text += fmt::format("; {}: {}", words, count);
  };
  add(LetterFate::kRefused, "refused again");
  add(LetterFate::kWaiting, "left, see the log");
  add(LetterFate::kFiltered, "left out by --topic or --reason");
  add(LetterFate::kGone, "cut, and the whole is gone, see the log");
  add(LetterFate::kDamaged, "damaged and passed over, see the log");
  add(LetterFate::kNoLetter, "no dead letters and passed over");
  return text + "\n";
}

Replay replay_of(const ReplaySettings& settings, const ReplayReport& report, const Tally& tally,
                 const Replayer& replayer, bool finished) {
  Replay replay;
  if (settings.dry_run)
    add_lines("  letters  topic, and the first reason of a kind\n", report.lines(), replay.text);
  replay.text += sum_of(report, tally, settings.dry_run);
  add_lines("Refused again, by index and kind of reason:\n", report.refused_lines(), replay.text);
  for (const auto& [partition, reason] : replayer.left_out())
    replay.text += fmt::format("Left from there on: {}, {}\n", to_string(partition),
                               printable(reason, kReasonShownBytes));
  if (!finished) replay.text += "Stopped before the end; the next replay goes on.\n";
  replay.complete = finished && replayer.left_out().empty();
  for (const LetterFate fate : {LetterFate::kRefused, LetterFate::kWaiting, LetterFate::kNoLetter,
                                LetterFate::kDamaged, LetterFate::kGone})
    replay.complete = replay.complete && report.count(fate) == 0;
  return replay;
}

}  // namespace

Result<Replay> replay_letters(const ReplaySettings& settings, const kafka::Stopping& stopping) {
  const IndexSettings& index = settings.index;
  const SystemClock clock;
  Tally tally;
  Learned learned;
  kafka::Complaints complaints(clock);
  RefusalGate gate(clock, index.refused_percent);
  ParkedRecords parked;
  ReplayReport report(index.group.topics.front());
  auto probe = kafka::KafkaProbe::open(
      {.brokers = index.group.brokers, .topics = {}, .settings = index.group.settings});
  if (!probe) return probe.error();
  BulkPool pool;  // Declared after everything that its threads use.
  SearchNode node(index.search, &pool.ending());
  Status ready = check_topic(settings, stopping, complaints, **probe);
  if (ready) ready = check_service(settings, stopping, complaints, node);
  // kRetryable: the process was told to stop before it did anything.
  if (!ready && ready.error().code == ErrorCode::kRetryable)
    return Replay{false, "Stopped before the first letter.\n"};
  if (!ready) return ready.error();
  const BulkShared shared{pool, tally, learned, complaints, gate, parked, &report};
  if (settings.dry_run) {
    pool.start(1, []() -> BulkPool::Work { return [](Bulk&) { return ok(); }; });
  } else {
    start_workers(index.in_flight, index.search, shared);
  }
  const LetterSources sources{
      [](const kafka::ReadRecord& letter) { return headers_of(letter, kLetterHeadersMax + 1); },
      [&probe](const kafka::PartitionKey& partition, int64_t offset) {
        return (*probe)->copy(partition, offset);
      }};
  LetterWriter writer(index.document, settings.filter, sources, clock, report);
  Indexer indexer(index, clock, tally, writer, pool, parked);
  Replayer replayer({settings.from_start, settings.dry_run}, indexer, writer, report, tally);
  bool finished = false;
  kafka::Pump pump(
      {.group = index.group,
       .poll_ms = limits::kIndexPollMs,
       .poll_records = limits::kIndexPollRecords,
       .close_ms = limits::kIndexCloseMs,
       .report_s = index.progress_s},
      replayer, clock,
      [&](int timeout_ms) {
        finished = finished || replayer.finished();
        return finished || stopping(timeout_ms);
      },
      complaints);
  if (Status pumped = pump.run(); !pumped) return pumped.error();
  if (replayer.is_no_letters()) {
    return invalid(fmt::format(
        "--dead-letter {}: none of its {} records that were read is a dead letter of 'longshore "
        "index'; name the topic that 'longshore index --dead-letter' fills.",
        index.group.topics.front(), report.count(LetterFate::kNoLetter)));
  }
  return replay_of(settings, report, tally, replayer, finished);
}

}  // namespace longshore::search
