#include "config/ids.h"

#include <xxhash.h>

#include <charconv>
#include <fstream>

namespace longshore {

SourceId make_source_id(std::string_view host_id, std::string_view host_path,
                        std::string_view stream) {
  std::string text;
  text.reserve(host_id.size() + host_path.size() + stream.size() + 2);
  text.append(host_id).append(1, '\0').append(host_path).append(1, '\0').append(stream);
  return {XXH3_64bits(text.data(), text.size())};
}

// No path begins like this, so no source has such an id.
SourceId make_declared_id(std::string_view host_id, std::string_view container_id,
                          std::string_view name) {
  return make_source_id(host_id, "declared:" + std::string(container_id), name);
}

std::string to_string(SourceId id) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string hex(16, '0');
  for (int i = 15; i >= 0; --i, id.value >>= 4)
    hex[static_cast<size_t>(i)] = kDigits[id.value & 15];
  return hex;
}

std::string lane_group(std::string_view host_id, LaneId lane) {
  return "longshore-agent." + std::string(host_id) + "." + std::to_string(lane.value);
}

std::string lane_transactional_id(std::string_view host_id, LaneId lane, uint32_t n) {
  std::string id = lane_group(host_id, lane);
  if (n > 0) id += "." + std::to_string(n);
  return id;
}

uint64_t this_boot() {
  std::string id;  // A UUID made at boot; random(4).
  std::ifstream("/proc/sys/kernel/random/boot_id") >> id;
  return id.empty() ? 0 : XXH3_64bits(id.data(), id.size());
}

std::optional<SourceId> parse_source_id(std::string_view hex) {
  if (hex.size() != 16) return std::nullopt;
  SourceId id;
  const auto [end, error] = std::from_chars(hex.data(), hex.data() + hex.size(), id.value, 16);
  if (error != std::errc() || end != hex.data() + hex.size()) return std::nullopt;
  return id;
}

}  // namespace longshore
