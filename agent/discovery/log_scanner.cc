#include "agent/discovery/log_scanner.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <set>
#include <utility>

#include "agent/discovery/compressed_files.h"
#include "agent/discovery/rotated_name.h"
#include "config/limits.h"
#include "config/path.h"

namespace longshore::agent {
namespace {

bool has_name_of(const FoundFile& file, const KnownSource& source) {
  return file.log_path() == source.host_path || file.host_path == source.file_path;
}

LogName log_below(const LogName& directory, const std::string& file_name) {
  if (!directory) return {};
  return {.host_path = join_path(directory.host_path, file_name),
          .container_path = join_path(directory.container_path, file_name)};
}

// The log `file_name` of `directory`, of which only files with other names may be left.
FoundFile log_in(const WatchDir& directory, const std::string& file_name) {
  return {.container_path = join_path(directory.container_path, file_name),
          .host_path = join_path(directory.host_path, file_name),
          .directory = directory.directory,
          .file_name = file_name,
          .facts = {},
          .image_bytes = 0,
          .log = log_below(directory.log, file_name)};
}

}  // namespace

void LogScanner::scan(DeclaredLog& log) {
  const int64_t began_ns = clock_.monotonic_ns();
  log.dirty = false;
  const Declaration& declaration = *log.declaration;
  Look look{.log = log,
            .found = log.fs->scan(declaration.path, declaration.exclude),
            .former = FormerFiles(host_root_, mounts_)};
  watch_directories(look);
  for (const FoundFile& file : look.found.files) look.paths.insert(file.log_path());
  for (const FoundFile& file : look.found.files) observe(look, file);
  for (const WatchDir& directory : look.found.directories) resume_renamed(look, directory);
  resume_linked(look);
  open_rotated_away(look);
  forget_generations(look);
  report_problems(look);
  ask(look);
  const int64_t now_ns = clock_.monotonic_ns();
  log.note_scan(began_ns, now_ns);
  log.waits = look.waits;
  if (!log.dirty) note_seen(look);
  if (!look.waits) return;
  log.dirty = true;
  log.next_scan_ns = std::max(log.next_scan_ns, now_ns + limits::kCopyAnswerNs);
}

// From here on, what follows a generation that has the log's name is seen to follow it.
void LogScanner::note_seen(const Look& look) {
  for (const SourceId id : look.log.sources) {
    if (!look.waits) parts_.known.at(id).was_scanned = true;
  }
  for (const FoundFile& file : look.found.files) {
    const auto id = parts_.known.source_of(file.facts.identity, look.log.declaration->stream);
    if (!id || !look.watches.contains(file.directory.get())) continue;
    KnownSource& source = parts_.known.at(*id);
    const bool is_last = source.newest == file.facts.identity && has_name_of(file, source);
    if (!source.is_followed() || !is_last) continue;
    source.is_watched = true;
    for (const auto& [directory, name] : own_names(look, file)) {
      parts_.names.saw(directory, name, *id, source.newest);
    }
  }
}

void LogScanner::watch_directories(Look& look) {
  DeclaredLog& log = look.log;
  WatchOutcome outcome = parts_.names.watch(log, look.found.directories);
  look.watches = std::move(outcome.watches);
  log.is_watched =
      !look.found.directories.empty() && outcome.refused.empty() && !look.found.is_passing;
  log.dirty = log.dirty || outcome.any_new;
  for (const auto& [host_path, error] : outcome.refused) {
    if (!log.is_new_problem(error.message)) continue;
    spdlog::warn("{}: cannot watch {}: {}", log.title(), host_path, error.message);
  }
}

// One matching file: a generation that is known, the next one of a known source, or a new source.
void LogScanner::observe(Look& look, const FoundFile& file) {
  const Declaration& declaration = *look.log.declaration;
  const Belonging belonging = parts_.rotation.source_of(file, declaration.stream, look.paths);
  const auto& id = belonging.source;
  look.waits = look.waits || belonging.is_undecided;
  if (!id || is_of_deleted_log(look, file, *id)) return;
  if (belonging.copy_of && may_be_copy(look, file, *belonging.copy_of)) return;
  const KnownSource& source = parts_.known.learn(*id, file.log_path(), declaration.stream);
  name(look, file, file.file_name, *id);
  parts_.followed.join(look.log, file, *id);
  const bool is_newest = file.facts.identity == source.newest;
  const bool has_its_name = has_name_of(file, source);
  if (source.is_followed() && is_newest && has_its_name && file.log) {
    parts_.known.place(*id, file.host_path);
  }
  if (source.is_followed() ? is_newest || !has_its_name : !is_newest && !has_its_name) return;
  DirectoryLook& directory = look.directories[file.directory.get()];
  if (source.has_generation()) {
    const auto between = open_former(look, file, *id);
    if (!between) return;
    auto next =
        parts_.rotation.after_newest(source, declaration, file, parts_.held.newest(*id), directory);
    if (next) add_compressed(parts_.known, source, file, directory, *next);
    doubt_unseen(look, file, *id, *between, next);
    const int64_t born_ns = source.newest.born_ns();
    open_in_order(look, file, *id, next);
    offer_closed(look, file, *id, born_ns);
    return;
  }
  uint64_t offset = first_offset(look.log, file);
  if (belonging.copy_of) {
    const uint64_t shipped = parts_.copies.shipped_bytes(file.facts.identity, declaration.stream);
    offset = std::max(offset, std::min(shipped, file.facts.size_bytes));
  }
  if (is_compressed(file.file_name)) {
    // All of it or nothing: its offsets do not count the file's bytes.
    if (offset > 0 && offset >= file.facts.size_bytes) return;
    offset = 0;
  }
  if (file.log && offset == 0 && !open_before(look, file, *id)) return;
  if (file.log) parts_.known.place(*id, file.host_path);
  auto next = parts_.rotation.of_new_source(declaration, file, offset, directory);
  if (next && source.is_followed()) {  // By open_before().
    NextGeneration& first = next->front();
    first.step = step_between(source, parts_.held.newest(*id), times_of(first.file), false);
  }
  doubt_unseen(look, file, *id, 0, next);
  open_in_order(look, file, *id, next);
}

// The names under which the next file of the log would come: its own, and that of its symlink.
LogScanner::OwnNames LogScanner::own_names(const Look& look, const FoundFile& file) const {
  OwnNames names;
  const auto add = [&](const Fd* directory, std::string_view name) {
    const auto watch = look.watches.find(directory);
    if (watch != look.watches.end()) names.emplace_back(watch->second, name);
  };
  add(file.directory.get(), file.file_name);
  if (!file.log) return names;
  for (const WatchDir& each : look.found.directories) {
    if (each.host_path != parent_path(file.log.host_path)) continue;
    add(each.directory.get(), last_component(file.log.host_path));
  }
  return names;
}

// More files have taken the log's name since the last scan than are there, `opened` and `next`, or
// nobody counted them since all files of the log were deleted. Which of them is missing is not
// known.
void LogScanner::doubt_unseen(const Look& look, const FoundFile& file, SourceId id, size_t opened,
                              NextGenerations& next) const {
  const KnownSource& source = parts_.known.at(id);
  const bool is_timed = source.is_followed() && !source.is_watched;  // See Rotation.
  if (!next || next->empty() || is_timed) return;
  size_t arrivals = 0;
  for (const auto& [watch, name] : own_names(look, file)) {
    arrivals += parts_.names.arrivals(watch, name, id);
  }
  const bool is_uncounted = look.log.deleted.contains(id) && arrivals == 0;
  if (!is_uncounted && arrivals <= opened + next->size()) return;
  for (NextGeneration& each : *next) {
    if (each.step == Step::kAdjacent) each.step = Step::kUnproven;
  }
}

// Whether `file` was rotated from a log that this one named and that is gone: it was read then.
bool LogScanner::is_of_deleted_log(const Look& look, const FoundFile& file, SourceId own) const {
  const auto& deleted = look.log.deleted;
  if (deleted.empty() || parts_.known.contains(own)) return false;
  return std::ranges::any_of(rotated_bases(file.file_name), [&](const std::string& base) {
    const std::string path = join_path(parent_path(file.log_path()), base);
    const SourceId id = parts_.known.id_of(path, look.log.declaration->stream);
    return deleted.contains(id) && !parts_.known.contains(id);
  });
}

// Whether `file` is a copy of `log`, or may turn out to be one.
bool LogScanner::may_be_copy(Look& look, const FoundFile& file, SourceId log) {
  using State = CopyQuestions::State;
  const Stream stream = look.log.declaration->stream;
  switch (parts_.copies.state_of(file, stream, clock_.monotonic_ns())) {
    case State::kOwnLog:
      return false;
    case State::kCopy:
      return true;
    case State::kAsked:
      return true;
    case State::kGrown:
      look.waits = true;
      return true;
    case State::kNew:
      break;
  }
  if (file.facts.size_bytes == 0) {
    // A copy is empty when it appears.
    const bool is_new = clock_.wall_ns() < file.facts.identity.born_ns() + limits::kCopyNsMin;
    look.waits = look.waits || is_new;
    return is_new;
  }
  auto fd = open_found(*file.directory, file.file_name, file.facts.identity);
  if (!fd) {
    look.log.dirty = look.log.dirty || fd.error().code != ErrorCode::kFull;
    return true;
  }
  auto open = std::make_shared<OpenFile>(OpenFile{std::move(*fd), file.facts.identity});
  look.undecided.push_back({log, {&look.log, file, std::move(open)}});
  return true;
}

// After all files were opened: the lane has to know the log before it can judge a copy of it.
void LogScanner::ask(Look& look) {
  for (auto& [log, file] : look.undecided) {
    const KnownSource& source = parts_.known.at(log);
    if (!source.is_followed() && look.paths.contains(source.host_path)) {
      look.waits = true;
      continue;
    }
    spdlog::debug("{}: asking whether {} is a copy of source {}", look.log.title(),
                  file.file.host_path, to_string(log));
    parts_.followed.ask_about_copy(log, file.open);
    parts_.copies.ask(std::move(file));
  }
}

void LogScanner::follow(const Undecided& file) {
  DeclaredLog& log = *file.log;
  const Stream stream = log.declaration->stream;
  const SourceId id = parts_.known.id_of(file.file.log_path(), stream);
  log.dirty = true;  // To learn its present name.
  if (parts_.known.source_of(file.open->identity, stream)) return;
  const KnownSource& source = parts_.known.learn(id, file.file.log_path(), stream);
  if (source.has_generation()) return;
  parts_.followed.join(log, file.file, id);
  parts_.followed.open(log, file.file,
                       {.file = {file.file.file_name, file.file.facts},
                        .start_offset = std::min(file.file.image_bytes, file.file.facts.size_bytes),
                        .open = file.open,
                        .why = "it was written beside a log, and is no copy of it"},
                       id);
}

// Finds sources whose log was renamed while nobody looked, and was not created again. The rest is
// read under the new name, because nobody else would collect it.
void LogScanner::resume_renamed(Look& look, const WatchDir& directory) {
  if (directory.container_path.empty()) return;
  const Declaration& declaration = *look.log.declaration;
  std::set<SourceId> all = parts_.known.in_directory(directory.host_path);
  if (directory.log) all.merge(parts_.known.in_directory(directory.log.host_path));
  for (const SourceId id : all) {
    const KnownSource& source = parts_.known.at(id);
    if (!source.has_generation() || source.stream != declaration.stream) continue;
    if (source.is_followed() && look.paths.contains(source.host_path)) continue;
    if (!look.log.declares(directory, source.file_name())) continue;
    DirectoryLook& listed = look.directories[directory.directory.get()];
    const auto renamed = parts_.rotation.renamed_to(source, *directory.directory, listed);
    if (!renamed) continue;
    FoundFile where = log_in(directory, source.file_name());
    where.file_name = renamed->file_name;
    where.facts = renamed->facts;
    parts_.followed.join(look.log, where, id);
    auto next =
        parts_.rotation.after_newest(source, declaration, where, parts_.held.newest(id), listed);
    if (next) add_compressed(parts_.known, source, where, listed, *next);
    open_in_order(look, where, id, next);
  }
}

// Finds logs that were rotated away before anybody looked at them, or before the checkpoint stored
// what was seen, and that were not created again: only their rotated files are left.
void LogScanner::open_rotated_away(Look& look) {
  const Stream stream = look.log.declaration->stream;
  std::set<SourceId> still_there;
  for (const WatchDir& directory : look.found.directories) {
    if (directory.container_path.empty()) continue;
    const auto wanted = [&](const std::string& name) { return look.log.declares(directory, name); };
    for (const std::string& base : rotated_logs(*directory.directory, wanted)) {
      FoundFile file = log_in(directory, base);
      const SourceId id = parts_.known.id_of(file.log_path(), stream);
      if (look.log.deleted.contains(id)) {
        still_there.insert(id);
        continue;
      }
      const KnownSource* known = parts_.known.find(id);
      if (known != nullptr && (known->is_followed() || known->has_generation())) continue;
      auto rotated = parts_.rotation.unread(*look.log.declaration, file,
                                            look.directories[file.directory.get()]);
      if (!rotated) look.waits = true;
      if (rotated) {
        std::erase_if(*rotated, [&](const NamedFile& each) {
          return is_compressed_of_other(look, directory, each.file_name, base);
        });
      }
      if (!rotated || rotated->empty()) continue;
      file.facts = rotated->back().facts;
      if (first_offset(look.log, file) > 0) continue;
      parts_.known.learn(id, file.log_path(), stream);
      parts_.followed.join(look.log, file, id);
      std::vector<NextGeneration> next;
      for (const NamedFile& each : *rotated) next.push_back({.file = each});
      open_in_order(look, file, id, next);
    }
  }
  look.log.deleted = std::move(still_there);
}

// Whether the compressed file `name` may as well belong to another log than `base` that is there.
bool LogScanner::is_compressed_of_other(const Look& look, const WatchDir& directory,
                                        const std::string& name, const std::string& base) const {
  if (!is_compressed(name)) return false;
  return std::ranges::any_of(rotated_bases(name), [&](const std::string& other) {
    const std::string path = join_path(directory.host_path, other);
    const SourceId id = parts_.known.id_of(path, look.log.declaration->stream);
    return other != base && (parts_.known.contains(id) || look.paths.contains(path));
  });
}

// Closed generations that were written to after their successor was born.
void LogScanner::offer_closed(Look& look, const FoundFile& where, SourceId id, int64_t born_ns) {
  const KnownSource& source = parts_.known.at(id);
  const auto rotated =
      look.directories[where.directory.get()].rotated(*where.directory, source.file_name());
  if (!rotated || born_ns == 0) return;
  for (const NamedFile& each : *rotated) {
    const bool is_closed = each.facts.identity.born_ns() < born_ns &&
                           parts_.known.source_of(each.facts.identity, source.stream) == id;
    if (!is_closed || each.facts.modified_ns <= born_ns) continue;
    parts_.followed.offer_closed(where, each, id);
    name(look, where, each.file_name, id);
  }
}

// Stops at the first file that cannot be opened: later files must not be read before it.
void LogScanner::open_in_order(Look& look, const FoundFile& where, SourceId id,
                               const NextGenerations& next) {
  if (!next) {
    look.waits = true;
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
  report_missing(look);
  for (const std::string& problem : look.found.problems) {
    if (!look.log.is_new_problem(problem)) continue;
    spdlog::warn("{}: {}", look.log.title(), problem);
  }
  if (!look.found.truncated || !look.log.is_new_problem("truncated")) return;
  spdlog::warn("{}: more files match than one declaration may have; the rest is not collected",
               look.log.title());
}

// While a container is removed its directories go before its logs do.
void LogScanner::report_missing(const Look& look) {
  DeclaredLog& log = look.log;
  const int64_t now_ns = clock_.monotonic_ns();
  if (look.found.missing.empty() || log.ended) {
    log.missing_since_ns = 0;
    return;
  }
  log.is_watched = false;  // Each sweep looks again.
  if (log.missing_since_ns == 0) log.missing_since_ns = now_ns;
  if (now_ns - log.missing_since_ns < limits::kMissingNs) return;
  for (const std::string& sentence : look.found.missing) {
    if (log.is_new_problem(sentence)) spdlog::warn("{}: {}", log.title(), sentence);
  }
}

// The offset at which a source begins that was never read.
uint64_t LogScanner::first_offset(const DeclaredLog& log, const FoundFile& file) const {
  const Declaration& declaration = *log.declaration;
  const bool at_end =
      declaration.start_given ? declaration.start == StartAt::kEnd : first_start_at_end_;
  // A file that appears after its declaration was first scanned is new from its first byte on, and
  // so is one that was born while no agent ran: an agent would have seen it appear.
  const bool born_unseen = file.facts.identity.born_ns() > alive_ns_;
  const bool predates = !log.scanned && !log.declared_before && !born_unseen;
  if (at_end && predates) return file.facts.size_bytes;
  return std::min(file.image_bytes, file.facts.size_bytes);
}

}  // namespace longshore::agent
