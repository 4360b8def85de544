#include "integrations/search/index_topics.h"

#include <spdlog/spdlog.h>

#include <memory>

#include "config/clock.h"
#include "config/limits.h"
#include "integrations/kafka/persist.h"
#include "integrations/kafka/pump.h"
#include "integrations/kafka/record_probe.h"
#include "integrations/search/bulk_worker.h"
#include "integrations/search/dead_letters.h"
#include "integrations/search/indexer.h"

namespace longshore::search {

namespace {

/// Finds out which field type the service has for JSON, and installs the templates.
Status prepare_service(const IndexSettings& settings, const kafka::Stopping& stopping,
                       kafka::Complaints& complaints, SearchNode& node) {
  TemplateOptions options = settings.index_template;
  Status found = kafka::persist("Starting", stopping, complaints, [&]() -> Status {
    const Result<FlatType> type = node.find_type();
    if (!type) return type.error();
    options.flat = type.value();
    return ok();
  });
  if (!found || !settings.install_template) return found;
  const IndexName& index = settings.document.index;
  for (const std::string& topic : settings.group.topics) {
    const std::string name = template_name(index, topic);
    Status installed = kafka::persist("Installing the index template", stopping, complaints, [&] {
      return node.put_template(name, template_body(index, topic, options));
    });
    if (!installed) return installed;
    spdlog::info("installed index template {} for {}", name, index.wildcard(topic));
  }
  return ok();
}

/// Null without --dead-letter.
Result<std::unique_ptr<DeadLetters>> open_dead_letters(const IndexSettings& settings,
                                                       const kafka::Stopping& stopping,
                                                       kafka::Complaints& complaints,
                                                       Tally& tally) {
  if (settings.dead_letter_topic.empty()) return std::unique_ptr<DeadLetters>();
  auto letters = DeadLetters::open(
      {settings.group.brokers, settings.group.settings, settings.dead_letter_topic}, tally);
  if (!letters) return letters.error();
  const Status there = kafka::persist("Starting", stopping, complaints, [&letters] {
    return (*letters)->check(limits::kDeadLetterCheckMs);
  });
  if (!there) return there.error();
  return letters;
}

}  // namespace

Status index_topics(IndexSettings settings, const kafka::Stopping& stopping) {
  const SystemClock clock;
  Tally tally;
  Learned learned;
  kafka::Complaints complaints(clock);
  RefusalGate gate(clock, settings.refused_percent);
  ParkedRecords parked;
  std::unique_ptr<DeadLetters> letters;
  BulkPool pool;  // Declared after everything that its threads use.
  SearchNode node(settings.search, &pool.ending());
  // kRetryable: the process was told to stop before it did anything.
  const auto unless_stopped = [](const Error& error) {
    return error.code == ErrorCode::kRetryable ? ok() : Status(error);
  };
  if (Status ready = prepare_service(settings, stopping, complaints, node); !ready)
    return unless_stopped(ready.error());
  auto opened = open_dead_letters(settings, stopping, complaints, tally);
  if (!opened) return unless_stopped(opened.error());
  letters = *std::move(opened);
  const BulkShared shared{pool, tally, learned, complaints, gate, parked, letters.get()};
  start_workers(settings.in_flight, settings.search, shared);
  DocumentWriter writer(settings.document, clock);
  Indexer indexer(settings, clock, tally, writer, pool, parked);
  const auto probe = kafka::KafkaProbe::open({.brokers = settings.group.brokers,
                                              .topics = settings.group.topics,
                                              .settings = settings.group.settings});
  if (!probe) return probe.error();
  kafka::Pump pump({.group = settings.group,
                    .poll_ms = limits::kIndexPollMs,
                    .poll_records = limits::kIndexPollRecords,
                    .close_ms = limits::kIndexCloseMs,
                    .report_s = settings.progress_s,
                    .probe = probe->get()},
                   indexer, clock, stopping, complaints);
  return pump.run();
}

}  // namespace longshore::search
