// The flags of the archive's commands that tell where the archive is.
#pragma once

#include <string>

#include "integrations/archive/archive_name.h"
#include "integrations/archive/targets/target.h"
#include "integrations/kafka/command_line.h"

namespace longshore::archive {

/// --layout, --user, --negotiate, --ca, ...
void add_target_flags(kafka::Flags& flags);

/// An archive, and how its folders are named.
struct Place {
  std::unique_ptr<ArchiveTarget> target;
  Layout layout;
};

/// The archive at the URL given by flag `flag` ("to"). Errors: kInvalid.
Result<Place> place_of(const kafka::FlagValues& values, const std::string& flag,
                       const std::atomic<bool>* stop);

}  // namespace longshore::archive
