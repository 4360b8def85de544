// Ids and positions, each its own type, so that one cannot be mistaken for another.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace longshore {

/// One file lineage on one host: XXH3-64 of host id, canonical host path and stream (stdout and
/// stderr share a file). It survives rotation, and a container that is made anew on its volume.
struct SourceId {
  uint64_t value = 0;
  auto operator<=>(const SourceId&) const = default;
};

/// The id of the source at `host_path` (canonical, on the host `host_id`); `stream` is "" for a
/// plain file, else "stdout" or "stderr".
SourceId make_source_id(std::string_view host_id, std::string_view host_path,
                        std::string_view stream);

/// The id under which the ledger has what concerns a declared log as a whole: the declaration
/// `name` of a container ("" for the host's).
SourceId make_declared_id(std::string_view host_id, std::string_view container_id,
                          std::string_view name);

/// 16 lower-case hex digits: the key of the source's records.
std::string to_string(SourceId id);
std::optional<SourceId> parse_source_id(std::string_view hex);

/// One shipping thread. Lanes are numbered from 0.
struct LaneId {
  uint32_t value = 0;
  auto operator<=>(const LaneId&) const = default;
};

/// `longshore-agent.<host id>.<lane>`: the lane's group.id.
std::string lane_group(std::string_view host_id, LaneId lane);

/// The lane's transactional.id: its group's name, and for `n` other than 0 the suffix `.<n>`.
std::string lane_transactional_id(std::string_view host_id, LaneId lane, uint32_t n);

/// N of the delivery protocol: 1, 2, 3, ... within one lane, stored; 0 is "nothing was ever sent".
struct TransactionNumber {
  uint64_t value = 0;
  auto operator<=>(const TransactionNumber&) const = default;
};

/// A place in a source's logical byte stream, the concatenation of its generations, in raw bytes
/// on disk from 0.
struct Position {
  uint64_t bytes = 0;
  auto operator<=>(const Position&) const = default;
};

/// A number that differs for every boot of the host; 0: the kernel does not tell.
uint64_t this_boot();

/// This boot of the host, and the previous one in which an agent ran; 0: unknown.
struct Boots {
  uint64_t now = 0;
  uint64_t before = 0;
};

}  // namespace longshore

template <>
struct std::hash<longshore::SourceId> {
  size_t operator()(longshore::SourceId id) const noexcept { return id.value; }
};
