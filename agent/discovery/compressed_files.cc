#include "agent/discovery/compressed_files.h"

#include <algorithm>
#include <iterator>
#include <string>

#include "agent/discovery/rotated_name.h"
#include "config/path.h"
#include "config/read_at.h"

namespace longshore::agent {
namespace {

constexpr size_t kMagicBytes = 6;

}  // namespace

bool is_compressed_of(const KnownSources& sources, const FoundFile& file, Stream stream,
                      const std::unordered_set<std::string_view>& found_paths) {
  if (!is_compressed(file.file_name)) return false;
  return std::ranges::any_of(rotated_bases(file.file_name), [&](const std::string& base) {
    const std::string path = join_path(parent_path(file.log_path()), base);
    return sources.contains(sources.id_of(path, stream)) || found_paths.contains(path);
  });
}

void add_compressed(const KnownSources& sources, const KnownSource& source, const FoundFile& file,
                    DirectoryLook& look, std::vector<NextGeneration>& next) {
  if (file.facts.identity == source.newest || next.empty()) return;
  const auto known = look.find(*file.directory, source.newest);
  if (known && !is_compressed(known->file_name)) return;
  const int64_t since_ns = known ? known->facts.modified_ns : source.newest.born_ns();
  std::vector<NextGeneration> all;
  for (NamedFile& each : look.compressed(*file.directory, source.file_name())) {
    if (each.facts.identity == file.facts.identity) continue;
    const bool is_known = sources.source_of(each.facts.identity, source.stream).has_value();
    if (is_known || last_write_ns(each) < since_ns) continue;
    all.push_back({.file = std::move(each),
                   .why = "its name is made of the log's, and the log's "
                          "newest known file is gone"});
  }
  if (all.empty()) return;
  const Step step = std::ranges::max(next, {}, &NextGeneration::step).step;
  NextGeneration last = std::move(next.back());
  next.pop_back();
  std::ranges::move(next, std::back_inserter(all));
  sort_by_last_write(all, &NextGeneration::file);
  all.push_back(std::move(last));
  // If the first one is the generation that was read last, nothing is missing before it.
  std::optional<checkpoint::FileFacts> before;
  if (known) before = times_of(*known);
  for (NextGeneration& each : all) {
    const auto times = times_of(each.file);
    each.step = before ? step_between(source, before, times, &each == &all.back()) : step;
    before = times;
  }
  next = std::move(all);
}

std::optional<Compression> compression_of(const Fd& file, std::string_view file_name) {
  if (!is_compressed(file_name)) return Compression::kNone;
  const auto first = read_at(file.get(), 0, kMagicBytes);
  if (!first || first->size() < kMagicBytes) return std::nullopt;
  return compression_of(*first);
}

}  // namespace longshore::agent
