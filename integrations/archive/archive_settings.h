// The settings of `longshore archive`, checked.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/command_line.h"
#include "integrations/archive/archiver.h"
#include "integrations/archive/target_flags.h"
#include "integrations/kafka/group_reader.h"

namespace longshore::archive {

/// Immutable once parsed.
struct ArchiveSettings {
  kafka::GroupOptions group;
  PlaceOptions place;
  kafka::ReaderOptions probe;  ///< How to look at Kafka outside of the group.
  ArchiverOptions archiver;
};

/// Nothing if the help was printed. Errors: kInvalid: one sentence that says what to change.
Result<std::optional<ArchiveSettings>> parse_archive_settings(
    const std::vector<std::string>& arguments, const Environment& environment);

}  // namespace longshore::archive
