#include "agent/discovery/log_scanner.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <set>
#include <utility>

#include "config/glob.h"
#include "config/path.h"

namespace longshore::agent {
namespace {

// Whether `log` declares the file `file_name` of a directory where its files stand.
bool declares(const DeclaredLog& log, const WatchDir& directory, const std::string& file_name) {
  const Declaration& declaration = *log.declaration;
  if (!glob_match(last_component(declaration.path), file_name)) return false;
  return declaration.exclude.empty() ||
         !path_matches(declaration.exclude, join_path(directory.container_path, file_name));
}

// The log `file_name` of `directory`, of which only files with other names may be left.
FoundFile log_in(const WatchDir& directory, const std::string& file_name) {
  return {.container_path = join_path(directory.container_path, file_name),
          .host_path = join_path(directory.host_path, file_name),
          .directory = directory.directory,
          .file_name = file_name,
          .facts = {},
          .image_bytes = 0};
}

}  // namespace

void LogScanner::scan(DeclaredLog& log) {
  const int64_t began_ns = clock_.monotonic_ns();
  log.dirty = false;
  const Declaration& declaration = *log.declaration;
  Look look{.log = log, .found = log.fs->scan(declaration.path, declaration.exclude)};
  watch_directories(look);
  std::unordered_set<std::string_view> paths;
  for (const FoundFile& file : look.found.files) paths.insert(file.host_path);
  for (const FoundFile& file : look.found.files) observe(look, file, paths);
  for (const WatchDir& directory : look.found.directories) resume_renamed(look, directory);
  open_rotated_away(look);
  forget_generations(look);
  report_problems(look);
  log.note_scan(began_ns, clock_.monotonic_ns());
}

void LogScanner::watch_directories(Look& look) {
  DeclaredLog& log = look.log;
  WatchOutcome outcome = parts_.names.watch(log, look.found.directories);
  look.watches = std::move(outcome.watches);
  log.is_watched = !look.found.directories.empty() && outcome.refused.empty();
  log.dirty = log.dirty || outcome.any_new;
  for (const auto& [host_path, error] : outcome.refused) {
    if (!log.is_new_problem(error.message)) continue;
    spdlog::warn("{}: cannot watch {}: {}", log.title(), host_path, error.message);
  }
}

// One matching file: a generation that is known, the next one of a known source, or a new source.
void LogScanner::observe(Look& look, const FoundFile& file,
                         const std::unordered_set<std::string_view>& paths) {
  const Declaration& declaration = *look.log.declaration;
  const auto id = parts_.rotation.source_of(file, declaration.stream, paths);
  if (!id) return;
  const KnownSource& source = parts_.known.learn(*id, file.host_path, declaration.stream);
  name(look, file, file.file_name, *id);
  parts_.followed.join(look.log, file, *id);
  if (source.is_followed()) {
    const bool has_its_name = file.host_path == source.host_path;
    if (!has_its_name || file.facts.identity == source.newest) return;
  }
  DirectoryLook& directory = look.directories[file.directory.get()];
  if (source.has_generation()) {
    open_in_order(look, file, *id, parts_.rotation.after_newest(source, file, directory));
    return;
  }
  const uint64_t offset = first_offset(look.log, file);
  open_in_order(look, file, *id,
                parts_.rotation.of_new_source(declaration, file, offset, directory));
}

// Finds sources whose log was renamed while nobody looked, and was not created again. The rest is
// read under the new name, because nobody else would collect it.
void LogScanner::resume_renamed(Look& look, const WatchDir& directory) {
  if (directory.container_path.empty()) return;
  for (const SourceId id : parts_.known.in_directory(directory.host_path)) {
    const KnownSource& source = parts_.known.at(id);
    if (source.is_followed() || !source.has_generation()) continue;
    if (source.stream != look.log.declaration->stream) continue;
    if (!declares(look.log, directory, source.file_name())) continue;
    DirectoryLook& listed = look.directories[directory.directory.get()];
    const auto renamed = parts_.rotation.renamed_to(source, *directory.directory, listed);
    if (!renamed) continue;
    FoundFile where = log_in(directory, source.file_name());
    where.file_name = renamed->file_name;
    where.facts = renamed->facts;
    parts_.followed.join(look.log, where, id);
    open_in_order(look, where, id, parts_.rotation.after_newest(source, where, listed));
  }
}

// Finds logs that were rotated away before anybody looked at them, or before the checkpoint stored
// what was seen, and that were not created again: only their rotated files are left.
void LogScanner::open_rotated_away(Look& look) {
  const Stream stream = look.log.declaration->stream;
  std::set<SourceId> still_there;
  for (const WatchDir& directory : look.found.directories) {
    if (directory.container_path.empty()) continue;
    for (const std::string& base : rotated_bases(*directory.directory)) {
      if (!declares(look.log, directory, base)) continue;
      FoundFile file = log_in(directory, base);
      const SourceId id = parts_.known.id_of(file.host_path, stream);
      if (look.log.deleted.contains(id)) {
        still_there.insert(id);
        continue;
      }
      const KnownSource* known = parts_.known.find(id);
      if (known != nullptr && (known->is_followed() || known->has_generation())) continue;
      const auto rotated = parts_.rotation.unread(*look.log.declaration, file,
                                                  look.directories[file.directory.get()]);
      if (!rotated) look.log.dirty = true;
      if (!rotated || rotated->empty()) continue;
      file.facts = rotated->back().facts;
      if (first_offset(look.log, file) > 0) continue;
      parts_.known.learn(id, file.host_path, stream);
      parts_.followed.join(look.log, file, id);
      std::vector<NextGeneration> next;
      for (const NamedFile& each : *rotated) next.push_back({.file = each});
      open_in_order(look, file, id, next);
    }
  }
  look.log.deleted = std::move(still_there);
}

// Stops at the first file that cannot be opened: later files must not be read before it.
void LogScanner::open_in_order(Look& look, const FoundFile& where, SourceId id,
                               const NextGenerations& next) {
  if (!next) {
    look.log.dirty = true;
    return;
  }
  for (const NextGeneration& each : *next) {
    if (!parts_.followed.open(look.log, where, each, id)) return;
    name(look, where, each.file.file_name, id);
  }
}

void LogScanner::name(const Look& look, const FoundFile& where, const std::string& file_name,
                      SourceId id) {
  const auto watch = look.watches.find(where.directory.get());
  if (watch != look.watches.end()) parts_.names.add(watch->second, file_name, id);
}

void LogScanner::forget_generations(const Look& look) {
  std::set<checkpoint::FileIdentity> on_disk;
  for (const SourceId id : look.log.sources) {
    KnownSource& source = parts_.known.at(id);
    if (source.generations.size() <= source.generations_max) continue;
    // Another declared log may look at directories that this one does not.
    if (source.logs.size() > 1) continue;
    if (on_disk.empty()) {
      for (const FoundFile& file : look.found.files) on_disk.insert(file.facts.identity);
      for (const WatchDir& directory : look.found.directories) {
        auto files = identities_in(*directory.directory);
        if (!files) return;
        on_disk.merge(*files);
      }
    }
    parts_.known.forget_generations(source, [&](const checkpoint::FileIdentity& file) {
      return on_disk.contains(file) || parts_.held.holds(id, file);
    });
  }
}

void LogScanner::report_problems(const Look& look) {
  for (const std::string& problem : look.found.problems) {
    if (!look.log.is_new_problem(problem)) continue;
    spdlog::warn("{}: {}", look.log.title(), problem);
  }
  if (!look.found.truncated || !look.log.is_new_problem("truncated")) return;
  spdlog::warn("{}: more files match than one declaration may have; the rest is not collected",
               look.log.title());
}

// The offset at which a source begins that was never read.
uint64_t LogScanner::first_offset(const DeclaredLog& log, const FoundFile& file) const {
  const Declaration& declaration = *log.declaration;
  const bool at_end =
      declaration.start_given ? declaration.start == StartAt::kEnd : first_start_at_end_;
  // A file that appears after its declaration was first scanned is new from its first byte on.
  const bool predates = !log.scanned && !log.declared_before;
  if (at_end && predates) return file.facts.size_bytes;
  return std::min(file.image_bytes, file.facts.size_bytes);
}

}  // namespace longshore::agent
