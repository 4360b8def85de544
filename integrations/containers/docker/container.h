// A container as Docker's inspect describes it, reduced to the fields that the agent uses. Values
// that an image or a user chose (environment, labels, mount destinations) are untrusted.
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
  std::string image;  ///< As named when the container was created.
  int pid = 0;        ///< 0 while it does not run.
  bool running = false;
  std::vector<std::pair<std::string, std::string>> environment;
  std::vector<std::pair<std::string, std::string>> labels;
  std::string upper_dir;                ///< Empty: the storage driver does not name one.
  std::vector<std::string> lower_dirs;  ///< Topmost first.
  std::vector<Mount> mounts;
  std::string log_driver;  ///< "json-file", "local", "none", ...
  std::string log_path;    ///< Empty until the first start, and for other drivers.
};

/// Parses the answer of GET /containers/<id>/json. Errors: kCorrupt, naming the field.
Result<Container> parse_inspect(std::string_view json);

}  // namespace longshore::docker
