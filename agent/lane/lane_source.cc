#include "agent/lane/lane_source.h"

namespace longshore::agent {

std::string described(const SourceSpec& spec) {
  const std::string owner =
      spec.container_id.empty() ? "the host" : "container " + spec.container_name;
  return "log " + spec.declaration->name + " of " + owner + " (" + spec.host_path + ", " +
         to_string(spec.id) + ")";
}

}  // namespace longshore::agent
