// What the client reads out of Docker's smaller answers.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/result.h"

namespace longshore::docker {

/// 64 lower-case hexadecimal digits: nothing else is ever put into a URL or a path.
bool is_container_id(std::string_view id);

/// One container of GET /containers/json.
struct Listed {
  std::string id;
  bool ended = false;  ///< It ran and does not any more.
};

/// In Docker's order: the newest first. Errors: kCorrupt.
Result<std::vector<Listed>> parse_list(std::string_view json);

/// DockerRootDir of GET /info. Errors: kCorrupt.
Result<std::string> parse_docker_root(std::string_view json);

/// The version to speak with a daemon whose newest is `offered` ("1.41", from the header
/// Api-Version; empty: not told). A daemon also speaks older ones, but Docker 29 none before 1.44.
/// Errors: kCorrupt.
Result<std::string> choose_api_version(std::string_view offered);

}  // namespace longshore::docker
