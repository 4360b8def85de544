#include "integrations/containers/docker/answers.h"

#include <simdjson.h>

#include <algorithm>
#include <charconv>

namespace longshore::docker {
namespace {

constexpr size_t kIdDigits = 64;
constexpr int kMinorMax = 47;          // The newest version that was tested.
constexpr int kMinorWhenNotTold = 24;  // Since Docker 1.12.

Error corrupt(const std::string& what) { return {ErrorCode::kCorrupt, what}; }

}  // namespace

bool is_container_id(std::string_view id) {
  return id.size() == kIdDigits && std::all_of(id.begin(), id.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

Result<std::vector<Listed>> parse_list(std::string_view json) {
  simdjson::dom::parser parser;
  simdjson::dom::array entries;
  if (parser.parse(json.data(), json.size()).get(entries))
    return corrupt("Docker's list of containers is not a JSON list");
  std::vector<Listed> listed;
  for (const simdjson::dom::element entry : entries) {
    std::string_view id, state;
    if (entry["Id"].get(id) || !is_container_id(id))
      return corrupt("Docker's list of containers has an entry without an id");
    if (entry["State"].get(state)) state = {};
    listed.push_back({std::string(id), state == "exited" || state == "dead" || state == "stopped"});
  }
  return listed;
}

Result<std::string> parse_docker_root(std::string_view json) {
  simdjson::dom::parser parser;
  std::string_view root;
  if (parser.parse(json.data(), json.size())["DockerRootDir"].get(root))
    return corrupt("Docker's info has no DockerRootDir");
  if (!root.starts_with('/') || root.find('\0') != std::string_view::npos)
    return corrupt("Docker's DockerRootDir is not an absolute path");
  return std::string(root);
}

Result<std::string> choose_api_version(std::string_view offered) {
  if (offered.empty()) return "1." + std::to_string(kMinorWhenNotTold);
  int minor = 0;
  const char* end = offered.data() + offered.size();
  const bool readable = offered.starts_with("1.") && [&] {
    const auto [rest, error] = std::from_chars(offered.data() + 2, end, minor);
    return error == std::errc() && rest == end && minor >= 0;
  }();
  if (!readable) return corrupt("Docker offers an API version that is not 1.N");
  return "1." + std::to_string(std::min(minor, kMinorMax));
}

}  // namespace longshore::docker
