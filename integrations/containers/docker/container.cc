#include "integrations/containers/docker/container.h"

#include <simdjson.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "integrations/containers/docker/answers.h"

namespace longshore::docker {
namespace {

using simdjson::dom::element;
using Found = simdjson::simdjson_result<element>;

Error corrupt(const std::string& what) {
  return {ErrorCode::kCorrupt, "Docker's description of a container is unusable: " + what};
}

// A field that does not apply is missing or null, depending on the engine.
bool is_absent(const Found& found) { return found.error() || found.is_null(); }

// Empty if the field is missing or not a string.
std::string text(const Found& found) {
  std::string_view value;
  return found.get(value) ? std::string() : std::string(value);
}

// No file name contains a NUL, and a relative path would be resolved in the agent's own directory.
bool is_absolute_path(std::string_view path) {
  return path.starts_with('/') && path.find('\0') == std::string_view::npos;
}

Status read_environment(const Found& found, Container& container) {
  if (is_absent(found)) return ok();
  simdjson::dom::array variables;
  if (found.get(variables)) return corrupt("Config.Env is not a list.");
  for (const element variable : variables) {
    std::string_view both;
    if (variable.get(both)) return corrupt("Config.Env has an entry that is not a string.");
    const size_t equals = both.find('=');
    if (equals == std::string_view::npos) continue;
    container.environment.emplace_back(both.substr(0, equals), both.substr(equals + 1));
  }
  return ok();
}

Status read_labels(const Found& found, Container& container) {
  if (is_absent(found)) return ok();
  simdjson::dom::object labels;
  if (found.get(labels)) return corrupt("Config.Labels is not an object.");
  for (const auto& [key, label] : labels) {
    std::string_view value;
    if (label.get(value)) return corrupt("Config.Labels has an entry that is not a string.");
    container.labels.emplace_back(key, value);
  }
  return ok();
}

Status read_state(const Found& found, Container& container) {
  if (is_absent(found)) return ok();
  if (!found.is_object()) return corrupt("State is not an object.");
  const auto running = found["Running"];
  if (!is_absent(running) && running.get(container.running))
    return corrupt("State.Running is neither true nor false.");
  int64_t pid = 0;
  if (!is_absent(found["Pid"]) && found["Pid"].get(pid))
    return corrupt("State.Pid is not a number.");
  if (pid < 0 || pid > std::numeric_limits<int>::max())
    return corrupt("State.Pid is out of range.");
  container.pid = static_cast<int>(pid);
  return ok();
}

// Storage drivers other than overlay2 have other fields here, or none.
Status read_layers(const Found& driver_data, Container& container) {
  const std::string upper = text(driver_data["UpperDir"]);
  if (upper.empty()) return ok();
  if (!is_absolute_path(upper))
    return corrupt("GraphDriver.Data.UpperDir is not an absolute path.");
  container.upper_dir = upper;
  const std::string lower = text(driver_data["LowerDir"]);
  for (size_t start = 0; start < lower.size();) {
    const size_t end = std::min(lower.find(':', start), lower.size());
    const std::string layer = lower.substr(start, end - start);
    if (!is_absolute_path(layer))
      return corrupt("GraphDriver.Data.LowerDir is not a list of paths.");
    container.lower_dirs.push_back(layer);
    start = end + 1;
  }
  return ok();
}

Mount::Kind kind_of(const std::string& type) {
  if (type == "bind") return Mount::Kind::kBind;
  if (type == "volume") return Mount::Kind::kVolume;
  if (type == "tmpfs") return Mount::Kind::kTmpfs;
  return Mount::Kind::kOther;
}

Status read_mounts(const Found& found, Container& container) {
  if (is_absent(found)) return ok();
  simdjson::dom::array mounts;
  if (found.get(mounts)) return corrupt("Mounts is not a list.");
  for (element entry : mounts) {
    const Found fields(std::move(entry));
    Mount mount = {kind_of(text(fields["Type"])), text(fields["Destination"]),
                   text(fields["Source"])};
    if (!is_absolute_path(mount.destination))
      return corrupt("Mounts has a destination that is not an absolute path.");
    if (mount.kind == Mount::Kind::kTmpfs) {
      mount.source.clear();
    } else if (!is_absolute_path(mount.source)) {
      // A volume of a plugin may have no path on the host.
      mount.kind = Mount::Kind::kOther;
      mount.source.clear();
    }
    container.mounts.push_back(std::move(mount));
  }
  return ok();
}

// Mounts made by --tmpfs; those of --mount type=tmpfs are in Mounts instead.
Status read_tmpfs(const Found& found, Container& container) {
  if (is_absent(found)) return ok();
  simdjson::dom::object tmpfs;
  if (found.get(tmpfs)) return corrupt("HostConfig.Tmpfs is not an object.");
  for (const auto& [destination, options] : tmpfs) {
    if (!is_absolute_path(destination))
      return corrupt("HostConfig.Tmpfs has a destination that is not an absolute path.");
    container.mounts.push_back({Mount::Kind::kTmpfs, std::string(destination), ""});
  }
  return ok();
}

}  // namespace

Result<Container> parse_inspect(std::string_view json) {
  simdjson::dom::parser parser;
  const Found root = parser.parse(json.data(), json.size());
  if (root.error()) return corrupt(std::string(simdjson::error_message(root.error())));
  if (!root.is_object()) return corrupt("it is not a JSON object.");

  Container container;
  container.id = text(root["Id"]);
  if (!is_container_id(container.id)) return corrupt("Id is not 64 hexadecimal digits.");
  container.name = text(root["Name"]);
  if (container.name.starts_with('/')) container.name.erase(0, 1);
  const Found config = root["Config"];
  if (!config.is_object()) return corrupt("Config of " + container.id + " is not an object.");
  container.image = text(config["Image"]);
  container.log_driver = text(root["HostConfig"]["LogConfig"]["Type"]);
  container.log_path = text(root["LogPath"]);
  if (!container.log_path.empty() && !is_absolute_path(container.log_path))
    return corrupt("LogPath of " + container.id + " is not an absolute path.");

  for (const Status& status :
       {read_environment(config["Env"], container), read_labels(config["Labels"], container),
        read_state(root["State"], container), read_layers(root["GraphDriver"]["Data"], container),
        read_mounts(root["Mounts"], container),
        read_tmpfs(root["HostConfig"]["Tmpfs"], container)}) {
    if (!status)
      return Error{status.error().code, status.error().message + " (" + container.id + ")"};
  }
  return container;
}

}  // namespace longshore::docker
