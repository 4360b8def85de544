#include "integrations/kafka/reading_flags.h"

#include "shipper/kafka/settings.h"

namespace longshore::kafka {

void add_reading_flags(CommandLine& line, ReadingFlags& flags) {
  line.section("What is read");
  line.list("topic", &flags.topics, "NAME", "Read this topic (required); repeatable.");
  add_kafka_flags(line, flags.kafka);
  line.choice<bool>("isolation", &flags.read_committed,
                    {{"read_committed", true}, {"read_uncommitted", false}},
                    "Read committed records only, or aborted ones as well.");
}

Result<ReaderOptions> reader_options(const CommandLine& line, const ReadingFlags& flags) {
  auto access = kafka_access(line, flags.kafka);
  if (!access) return access.error();
  if (Status checked = shipper::check_kafka_access(access->settings); !checked)
    return checked.error();
  if (flags.topics.empty()) return missing("topic", "name the topic to read");
  ReaderOptions options;
  options.brokers = std::move(access->brokers);
  options.topics = flags.topics;
  options.settings = std::move(access->settings);
  options.read_committed = flags.read_committed;
  return options;
}

GroupOptions group_options(const ReaderOptions& reader, const std::string& group) {
  GroupOptions options;
  options.brokers = reader.brokers;
  options.group = group;
  options.topics = reader.topics;
  options.settings = reader.settings;
  options.read_committed = reader.read_committed;
  return options;
}

}  // namespace longshore::kafka
