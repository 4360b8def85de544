#include "agent/discovery/compressed_files.h"

#include <algorithm>
#include <iterator>
#include <string>

#include "agent/discovery/rotated_name.h"
#include "config/limits.h"
#include "config/path.h"
#include "config/read_at.h"

namespace longshore::agent {
namespace {

constexpr size_t kMagicBytes = 6;

bool is_magic(std::string_view first) { return compression_of(first) != Compression::kNone; }

// "app.log.1.tmp", into which "app.log.1" is being compressed, before anything is written to it.
bool is_named_for_another(const Fd& directory, const std::string& file_name) {
  constexpr std::string_view kWork = ".tmp";
  if (!file_name.ends_with(kWork)) return false;
  const std::string other = file_name.substr(0, file_name.size() - kWork.size());
  return checkpoint::file_facts_at(directory.get(), other.c_str()).has_value();
}

}  // namespace

bool is_compressed_of(const KnownSources& sources, const FoundFile& file, Stream stream,
                      const std::unordered_set<std::string_view>& found_paths) {
  if (!is_compressed(file.file_name)) return false;
  return std::ranges::any_of(rotated_bases(file.file_name), [&](const std::string& base) {
    const std::string path = join_path(parent_path(file.log_path()), base);
    return sources.contains(sources.id_of(path, stream)) || found_paths.contains(path);
  });
}

bool is_of_shorter_name(const KnownSources& sources, const KnownSource& source,
                        const std::string& file_name) {
  if (!is_compressed(file_name)) return false;
  if (file_name.substr(0, file_name.rfind('.')) != source.file_name()) return false;
  return std::ranges::any_of(rotated_bases(file_name), [&](const std::string& base) {
    if (base == source.file_name()) return false;
    const std::string path = join_path(parent_path(source.file_path), base);
    const KnownSource* const log = sources.find(sources.id_of(path, source.stream));
    return log != nullptr && log->has_generation();
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
    if (is_of_shorter_name(sources, source, each.file_name)) continue;
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
  const auto first = read_at(file.get(), 0, kMagicBytes);
  if (!is_compressed(file_name)) {
    // What cannot be read says so when it is read as a log.
    return first && is_magic(*first) ? std::nullopt : std::optional(Compression::kNone);
  }
  if (!first || first->size() < kMagicBytes) return std::nullopt;
  return compression_of(*first);
}

bool may_be_making(const checkpoint::FileFacts& facts, int64_t wall_ns) {
  return wall_ns < age_ns(facts) + limits::kCompressingNs;
}

bool is_being_made(const Fd& directory, const NamedFile& file, int64_t wall_ns) {
  if (is_compressed(file.file_name)) return false;
  const auto open = open_found(directory, file.file_name, file.facts.identity);
  if (!open) return false;
  const auto first = read_at(open->get(), 0, kMagicBytes);
  if (first && is_magic(*first)) return true;
  return first && first->empty() && may_be_making(file.facts, wall_ns) &&
         is_named_for_another(directory, file.file_name);
}

}  // namespace longshore::agent
