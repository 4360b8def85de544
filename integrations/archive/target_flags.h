// The flags of the archive's commands that tell where the archive is.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "integrations/archive/archive_name.h"
#include "integrations/archive/targets/target.h"
#include "integrations/http/access_flags.h"

namespace longshore::archive {

struct TargetFlags {
  std::string flag;  ///< The one that takes the URL: "to", "from" or "archive".
  std::string url = {}, layout = Layout::kUsual, hdfs_user = {};
  http::AccessFlags access = {};
};

/// The flag of the URL, --layout, --hdfs-user, and those of http/access_flags.h.
void add_target_flags(CommandLine& line, TargetFlags& flags);

/// What the flags say.
struct PlaceOptions {
  std::string flag;
  TargetOptions target;
  Layout layout;
};

/// Errors: kInvalid.
Result<PlaceOptions> place_options(const CommandLine& line, const TargetFlags& flags);

/// An archive, and how its folders are named.
struct Place {
  std::unique_ptr<ArchiveTarget> target;
  Layout layout;
  std::string url;  ///< As it was given.
};

/// Requests that wait for the archive end once `*stop` is true; null: never. Errors: kInvalid.
Result<Place> open_place(const PlaceOptions& options, const std::atomic<bool>* stop = nullptr);

}  // namespace longshore::archive
