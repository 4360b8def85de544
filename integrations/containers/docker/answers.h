// Docker's smaller answers: the list of containers, the root directory, the API version.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/result.h"

namespace longshore::docker {

/// 64 lower-case hexadecimal digits. Nothing else is ever put into a URL or a path.
bool is_container_id(std::string_view id);

/// One container of GET /containers/json.
struct Listed {
  std::string id;
  bool ended = false;  ///< It ran, and no longer does.
};

/// In Docker's order: the newest first. Errors: kCorrupt.
Result<std::vector<Listed>> parse_list(std::string_view json);

/// The field DockerRootDir of GET /info. Errors: kCorrupt.
Result<std::string> parse_docker_root(std::string_view json);

/// The API version to use with a daemon whose newest is `offered` ("1.41", from the header
/// Api-Version; empty: no such header). Daemons accept older versions too, but Docker 29 none
/// before 1.44. Errors: kCorrupt.
Result<std::string> choose_api_version(std::string_view offered);

}  // namespace longshore::docker
