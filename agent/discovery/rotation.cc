#include "agent/discovery/rotation.h"

#include <algorithm>
#include <utility>

#include "agent/discovery/rotated_name.h"
#include "config/glob.h"
#include "config/path.h"

namespace longshore::agent {
namespace {

constexpr int64_t kFileClockNs = 20'000'000;  // The clock that stamps files is this coarse.

bool contains(const std::vector<NextGeneration>& next, const checkpoint::FileIdentity& file) {
  return std::any_of(next.begin(), next.end(),
                     [&](const NextGeneration& each) { return each.file.facts.identity == file; });
}

}  // namespace

std::optional<SourceId> Rotation::source_of(
    const FoundFile& file, Stream stream,
    const std::unordered_set<std::string_view>& found_paths) const {
  if (is_compressed(file.file_name)) return std::nullopt;
  if (const auto base = rotated_base(file.file_name)) {
    const std::string base_path = join_path(parent_path(file.host_path), *base);
    if (sources_.contains(sources_.id_of(base_path, stream)) || found_paths.contains(base_path)) {
      return std::nullopt;
    }
  }
  const auto renamed = sources_.source_of(file.facts.identity, stream);
  return renamed ? *renamed : sources_.id_of(file.host_path, stream);
}

NextGenerations Rotation::after_newest(const KnownSource& source, const FoundFile& file,
                                       DirectoryLook& look) const {
  const auto listed = look.rotated(*file.directory, source.file_name());
  if (!listed) return std::nullopt;
  const std::vector<NamedFile>& rotated = *listed;
  const auto& newest = source.newest;
  const bool resuming = !source.is_followed();
  const auto is_newest = [&](const NamedFile& each) { return each.facts.identity == newest; };
  const auto is_unknown = [&](const NamedFile& each) {
    return !is_known(each.facts.identity, source.stream);
  };
  std::vector<NextGeneration> next;
  bool gap = false;
  auto from = std::find_if(rotated.begin(), rotated.end(), is_newest);
  if (from == rotated.end() && file.facts.identity != newest) {
    const auto renamed = look.find(*file.directory, newest);
    if (renamed && resuming) next.push_back({.file = *renamed});
    // Rotated out of the directory: others may have come and gone after it.
    gap = !renamed && !rotated.empty() && std::all_of(rotated.begin(), rotated.end(), is_unknown);
    from = std::find_if(rotated.begin(), rotated.end(), [&](const NamedFile& each) {
      return each.facts.identity.born_ns() >= newest.born_ns() && is_unknown(each);
    });
  }
  for (; from != rotated.end(); ++from) {
    const bool wanted = is_unknown(*from) || (resuming && is_newest(*from));
    if (!wanted || contains(next, from->facts.identity)) continue;
    next.push_back({.file = *from, .gap_before = std::exchange(gap, false)});
  }
  if (!contains(next, file.facts.identity)) {
    next.push_back({.file = {file.file_name, file.facts}, .gap_before = gap});
  }
  return next;
}

// Rotated files belong to a new source too if the declaration names them, or if they were written
// to after `alive_ns_`: a container may write and rotate before anybody can look, or while no agent
// runs. Others are history, which is not collected.
std::optional<std::vector<NamedFile>> Rotation::unread(const Declaration& declaration,
                                                       const FoundFile& file,
                                                       DirectoryLook& look) const {
  const int64_t since_ns = alive_ns_ - kFileClockNs;
  const std::string_view pattern = last_component(declaration.path);
  auto rotated = look.rotated(*file.directory, std::string(last_component(file.host_path)));
  if (!rotated) return std::nullopt;
  std::erase_if(*rotated, [&](const NamedFile& each) {
    const bool named = glob_match(pattern, each.file_name);
    return (!named && each.facts.modified_ns < since_ns) ||
           is_known(each.facts.identity, declaration.stream);
  });
  return rotated;
}

NextGenerations Rotation::of_new_source(const Declaration& declaration, const FoundFile& file,
                                        uint64_t offset, DirectoryLook& look) const {
  std::vector<NextGeneration> next;
  if (offset == 0) {
    auto rotated = unread(declaration, file, look);
    if (!rotated) return std::nullopt;
    for (NamedFile& each : *rotated) next.push_back({.file = std::move(each)});
  }
  if (!contains(next, file.facts.identity)) {
    next.push_back({.file = {file.file_name, file.facts}, .start_offset = offset});
  }
  return next;
}

std::optional<NamedFile> Rotation::renamed_to(const KnownSource& source, const Fd& directory,
                                              DirectoryLook& look) const {
  auto renamed = look.find(directory, source.newest);
  if (!renamed && !is_file_gone(source.life)) {
    const auto rotated = look.rotated(directory, source.file_name());
    const NamedFile* since = rotated ? successor(source, *rotated) : nullptr;
    if (since != nullptr) renamed = *since;
  }
  if (renamed && renamed->file_name == source.file_name()) return std::nullopt;
  return renamed;
}

const NamedFile* Rotation::successor(const KnownSource& source,
                                     const std::vector<NamedFile>& rotated) const {
  if (rotated.empty()) return nullptr;
  const auto& identity = rotated.back().facts.identity;
  const bool is_later = identity.born_ns() >= source.newest.born_ns();
  return is_later && !is_known(identity, source.stream) ? &rotated.back() : nullptr;
}

std::optional<NamedFile> Rotation::copy_of(const KnownSource& source, const Fd& directory) const {
  auto rotated = rotated_files(directory, source.file_name());
  if (!rotated) return std::nullopt;
  std::erase_if(*rotated, [&](const NamedFile& each) {
    return is_known(each.facts.identity, source.stream);
  });
  const auto modified_ns = [](const NamedFile& each) { return each.facts.modified_ns; };
  const auto youngest = std::ranges::max_element(*rotated, {}, modified_ns);
  return youngest == rotated->end() ? std::nullopt : std::optional(*youngest);
}

}  // namespace longshore::agent
