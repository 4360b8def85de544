// The flags of every command that reads topics: --topic, --isolation, and those of kafka_flags.h.
#pragma once

#include <string>
#include <vector>

#include "config/command_line.h"
#include "config/kafka_flags.h"
#include "integrations/kafka/group_reader.h"
#include "integrations/kafka/reader.h"

namespace longshore::kafka {

struct ReadingFlags {
  KafkaFlags kafka;
  std::vector<std::string> topics;
  bool read_committed = true;
};

void add_reading_flags(CommandLine& line, ReadingFlags& flags);

/// What the flags ask for. Errors: kInvalid.
Result<ReaderOptions> reader_options(const CommandLine& line, const ReadingFlags& flags);

/// The same for a member of `group`.
GroupOptions group_options(const ReaderOptions& reader, const std::string& group);

}  // namespace longshore::kafka
