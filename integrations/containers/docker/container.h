// A container as Docker's inspect describes it: only what the agent uses. Everything in it that an
// image or a user chose (environment, labels, mount destinations) is untrusted.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/result.h"

namespace longshore::docker {

struct Mount {
  enum class Kind { kBind, kVolume, kTmpfs, kOther };
  Kind kind = Kind::kOther;
  std::string destination;  ///< Absolute, inside the container.
  std::string source;       ///< Absolute, on the host; empty for tmpfs.
};

/// Immutable once parsed.
struct Container {
  std::string id;     ///< 64 hex digits, checked.
  std::string name;   ///< Without the leading slash.
  std::string image;  ///< As the user named it.
  int pid = 0;        ///< 0 while it does not run.
  bool running = false;
  std::vector<std::pair<std::string, std::string>> environment;
  std::vector<std::pair<std::string, std::string>> labels;
  std::string upper_dir;                ///< Empty where the storage driver does not tell.
  std::vector<std::string> lower_dirs;  ///< Topmost first.
  std::vector<Mount> mounts;
  std::string log_driver;  ///< "json-file", "local", "none", ...
  std::string log_path;    ///< Empty until the first start, and for other drivers.
};

/// Parses the answer of GET /containers/<id>/json. Errors: kCorrupt, naming the field.
Result<Container> parse_inspect(std::string_view json);

}  // namespace longshore::docker
