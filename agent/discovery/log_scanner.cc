#include "agent/discovery/log_scanner.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <set>
#include <tuple>
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

bool LogScanner::scan(DeclaredLog& log, Slice& slice) {
  std::unique_ptr<Look>& look = looks_[&log];
  if (look == nullptr) {
    // What changes from now on is another scan's.
    log.dirty = false;
    log.unopened = 0;
    log.no_descriptor = false;
    log.scanning = true;
    look = std::make_unique<Look>(log, host_root_, mounts_, clock_.monotonic_ns());
    look->all_gone = log.deleted;
    look->walk = begin(*look);
  }
  if (!go_on(*look, slice)) return false;
  finish(*look);
  drop(log);
  return true;
}

void LogScanner::drop(DeclaredLog& log) {
  looks_.erase(&log);
  log.scanning = false;
}

std::unique_ptr<PathScan> LogScanner::begin(Look& look) {
  const Declaration& declaration = *look.log.declaration;
  return look.log.fs->begin_scan(declaration.path, declaration.exclude,
                                 [&](const auto& facts) { return interest_in(look, facts); });
}

Interest LogScanner::interest_in(Look& look, const checkpoint::FileFacts& facts) const {
  const auto id = parts_.known.source_of(facts.identity, look.log.declaration->stream);
  if (!id) return Interest::kNew;
  const KnownSource& source = parts_.known.at(*id);
  if (source.is_followed()) return Interest::kKnown;
  if (!source.rested) return Interest::kNew;
  // Of a log that rests, what was rotated before then was read.
  if (facts.identity != source.newest) return Interest::kNone;
  if (!source.is_resting(facts)) return Interest::kNew;
  look.resting.insert(*id);
  return Interest::kNone;
}

// Does what the slice allows. True: everything is done.
bool LogScanner::go_on(Look& look, Slice& slice) {
  if (look.walk != nullptr) {
    if (!look.walk->go_on(slice)) return false;
    look.found = look.walk->take();
    look.walk = nullptr;
    watch_directories(look);
    for (const FoundFile& file : look.found.files) look.paths.insert(file.log_path());
  }
  // True while there are more than `done` and the slice is not used up.
  const auto next = [&](size_t done, size_t all) {
    if (done == all || slice.is_used_up()) return false;
    slice.spend(1);
    return true;
  };
  const auto& [files, directories] = std::tie(look.found.files, look.found.directories);
  while (next(look.files_done, files.size())) {
    if (observe(look, files[look.files_done])) ++look.files_done;
  }
  if (look.files_done < files.size()) return false;
  // First all that were renamed, then all that were rotated away: a file belongs to the log that is
  // known.
  while (next(look.renamed_done, directories.size())) {
    if (resume_renamed(look, directories[look.renamed_done])) ++look.renamed_done;
  }
  if (look.renamed_done < directories.size()) return false;
  if (!look.linked) find_linked(look);
  for (; next(look.linked_done, look.linked->size()); ++look.linked_done) {
    const auto& [id, log] = (*look.linked)[look.linked_done];
    resume_linked(look, id, log);
  }
  if (look.linked_done < look.linked->size()) return false;
  while (next(look.rotated_done, directories.size())) {
    if (open_rotated_away(look, directories[look.rotated_done])) ++look.rotated_done;
  }
  if (look.rotated_done < directories.size()) return false;
  while (next(look.has_forgotten ? 1 : 0, 1)) look.has_forgotten = forget_generations(look);
  return look.has_forgotten;
}

void LogScanner::finish(Look& look) {
  for (const SourceId id : look.all_gone) look.log.deleted.erase(id);
  report_problems(look);
  ask(look);
  DeclaredLog& log = look.log;
  log.note_scan(look.began_ns);
  log.undecided = look.waits;
  if (look.waits) {
    const int64_t answer_ns = clock_.monotonic_ns() + limits::kCopyAnswerNs;
    log.look_again_ns = log.waits ? std::min(log.look_again_ns, answer_ns) : answer_ns;
  } else if (!log.dirty) {
    note_seen(look);
  }
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
  size_t& of_tenant = log.tenant->watches;
  of_tenant -= log.watches;
  const size_t of_all = std::min(parts_.names.watches(), limits::kAllWatchesMax);
  const size_t room = std::min(limits::kTenantWatchesMax - of_tenant,
                               limits::kAllWatchesMax - of_all + log.watches);
  WatchOutcome outcome = parts_.names.watch(log, look.found.directories, room);
  log.watches = look.found.directories.size() - outcome.refused.size();
  log.watches = std::min(log.watches, room);
  of_tenant += log.watches;
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
// False, as of the steps below: its directory holds so many names that it is listed little by
// little; come again.
bool LogScanner::observe(Look& look, const FoundFile& file) {
  const Declaration& declaration = *look.log.declaration;
  const bool is_known = parts_.known.source_of(file.facts.identity, declaration.stream).has_value();
  if (!is_known && parts_.followed.is_being_made(look.log, file)) return true;
  const Belonging belonging = parts_.rotation.source_of(file, declaration.stream, look.paths);
  const auto& id = belonging.source;
  look.waits = look.waits || belonging.is_undecided;
  if (!id || is_of_deleted_log(look, file, *id)) return true;
  if (belonging.copy_of && may_be_copy(look, file, *belonging.copy_of)) return true;
  const KnownSource* const learned = learn(look, *id, file.log_path());
  if (learned == nullptr) return true;
  const KnownSource& source = *learned;
  name(look, file, file.file_name, *id);
  parts_.followed.join(look.log, file, *id);
  if (!open_in_doubt(look, file, *id)) return true;
  const bool is_newest = file.facts.identity == source.newest;
  const bool has_its_name = has_name_of(file, source);
  if (source.is_followed() && is_newest && has_its_name && file.log) {
    parts_.known.place(*id, file.host_path);
  }
  if (source.is_followed() ? is_newest || !has_its_name : !is_newest && !has_its_name) return true;
  // A former target of its symlink keeps the name that it had as the newest.
  if (!is_newest && file.log_path() != source.host_path &&
      parts_.known.source_of(file.facts.identity, declaration.stream) == id) {
    return true;
  }
  if (!is_newest && waits_for_count(look, source)) return true;
  DirectoryLook& directory = look.directories[file.directory.get()];
  if (!directory.list_on(*file.directory, limits::kScanListedAtOnce)) return false;
  if (source.has_generation()) {
    const auto former = open_former(look, file, *id);
    if (!former) return true;
    auto next = parts_.rotation.after_newest(source, declaration, file,
                                             parts_.held.newest_facts(*id), directory);
    if (next) add_compressed(parts_.known, source, file, directory, *next);
    doubt_unseen(look, file, *id, *former, next);
    const int64_t born_ns = source.newest.born_ns();
    open_in_order(look, file, *id, next);
    offer_closed(look, file, *id, born_ns);
    return true;
  }
  uint64_t offset = first_offset(look.log, file);
  if (belonging.copy_of) {
    const uint64_t shipped = parts_.copies.shipped_bytes(file.facts.identity, declaration.stream);
    offset = std::max(offset, std::min(shipped, file.facts.size_bytes));
  }
  if (is_compressed(file.file_name)) {
    // All of it or nothing: its offsets do not count the file's bytes.
    if (offset > 0 && offset >= file.facts.size_bytes) {
      parts_.followed.forget_unopened(look.log, *id);
      return true;
    }
    offset = 0;
  }
  if (file.log && offset == 0 && !open_before(look, file, *id)) {
    parts_.followed.forget_unopened(look.log, *id);
    return true;
  }
  if (file.log) parts_.known.place(*id, file.host_path);
  auto next = parts_.rotation.of_new_source(declaration, file, offset, directory);
  if (next && source.is_followed()) {  // By open_before().
    NextGeneration& first = next->front();
    first.step = step_between(source, parts_.held.newest_facts(*id), times_of(first.file), false);
  }
  doubt_unseen(look, file, *id, {}, next);
  open_in_order(look, file, *id, next);
  parts_.followed.forget_unopened(look.log, *id);
  return true;
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

// A file is seen as soon as it is there, and counted when its event is read. Another one that came
// and went in the meantime would not be missed: look again after the events.
bool LogScanner::waits_for_count(Look& look, const KnownSource& source) const {
  DeclaredLog& log = look.log;
  if (!source.is_followed() || !source.is_watched) return false;
  if (!parts_.names.has_uncounted()) {
    log.put_off = 0;
  } else if (log.put_off < limits::kPutOffMax) {
    ++log.put_off;
    log.dirty = true;
    return true;
  }
  return false;
}

// How many files have taken the log's name since the last scan.
size_t LogScanner::arrivals(const Look& look, const FoundFile& file, SourceId id) const {
  size_t all = 0;
  for (const auto& [watch, name] : own_names(look, file)) {
    all += parts_.names.arrivals(watch, name, id);
  }
  return all;
}

// Whether an earlier scan found the log in the directory of `file`. If not, that has taken the
// place of another: nobody has watched what came and went between the two.
bool LogScanner::was_seen_there(const Look& look, const FoundFile& file, SourceId id) const {
  return std::ranges::any_of(own_names(look, file), [&](const auto& own) {
    return parts_.names.has_seen(own.first, own.second, id);
  });
}

// More files have taken the log's name since the last scan than are there, `former` and `next`, or
// nobody counted them since all files of the log were deleted. Which of them is missing is not
// known.
void LogScanner::doubt_unseen(const Look& look, const FoundFile& file, SourceId id,
                              const Former& former, NextGenerations& next) const {
  if (!next || next->empty()) return;
  const auto doubt = [](NextGeneration& each) {
    if (each.step == Step::kAdjacent) each.step = Step::kUnproven;
  };
  if (former.may_be_more) doubt(next->front());
  const KnownSource& source = parts_.known.at(id);
  const bool is_timed = source.is_followed() && !source.is_watched;  // See Rotation.
  if (is_timed) return;
  const size_t arrived = arrivals(look, file, id);
  const bool is_uncounted = look.log.deleted.contains(id) && arrived == 0;
  if (!is_uncounted && arrived <= former.opened + next->size()) return;
  std::ranges::for_each(*next, doubt);
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

// Finds sources whose log was renamed while nobody looked, and was not created again. The rest is
// read under the new name, because nobody else would collect it.
bool LogScanner::resume_renamed(Look& look, const WatchDir& directory) {
  if (directory.container_path.empty()) return true;
  const Declaration& declaration = *look.log.declaration;
  std::set<SourceId> all = parts_.known.in_directory(directory.host_path);
  if (directory.log) all.merge(parts_.known.in_directory(directory.log.host_path));
  for (const SourceId id : all) {
    const KnownSource& source = parts_.known.at(id);
    if (!source.has_generation() || source.stream != declaration.stream) continue;
    if (source.is_followed() && look.paths.contains(source.host_path)) continue;
    if (source.rested && look.resting.contains(id)) continue;
    if (!look.log.declares(directory, source.file_name())) continue;
    DirectoryLook& listed = look.directories[directory.directory.get()];
    if (!listed.list_on(*directory.directory, limits::kScanListedAtOnce)) return false;
    const auto renamed = parts_.rotation.renamed_to(source, *directory.directory, listed);
    if (!renamed) continue;
    FoundFile where = log_in(directory, source.file_name());
    where.file_name = renamed->file_name;
    where.facts = renamed->facts;
    parts_.followed.join(look.log, where, id);
    auto next = parts_.rotation.after_newest(source, declaration, where,
                                             parts_.held.newest_facts(id), listed);
    if (next) add_compressed(parts_.known, source, where, listed, *next);
    open_in_order(look, where, id, next);
  }
  return true;
}

// Finds logs that were rotated away before anybody looked at them, or before the checkpoint stored
// what was seen, and that were not created again: only their rotated files are left. One step: some
// names are listed, or one such log is opened. True: it was the last.
bool LogScanner::open_rotated_away(Look& look, const WatchDir& directory) {
  if (directory.container_path.empty()) return true;
  const auto wanted = [&](const std::string& name) { return look.log.declares(directory, name); };
  if (look.rotated_logs == nullptr) {
    look.rotated_logs = std::make_unique<RotatedLogs>(*directory.directory);
    look.is_listed = false;
  }
  if (!look.is_listed) {
    look.is_listed = look.rotated_logs->list_on(wanted, limits::kScanListedAtOnce);
    return false;
  }
  auto& base = look.rotated_log;
  if (!base) base = look.rotated_logs->take();
  if (!base) {
    look.rotated_logs = nullptr;
    return true;
  }
  if (open_rotated_log(look, log_in(directory, *base))) base.reset();
  return false;
}

bool LogScanner::open_rotated_log(Look& look, FoundFile file) {
  const Stream stream = look.log.declaration->stream;
  const SourceId id = parts_.known.id_of(file.log_path(), stream);
  if (look.log.deleted.contains(id)) {
    look.all_gone.erase(id);
    return true;
  }
  const KnownSource* known = parts_.known.find(id);
  if (known != nullptr && (known->is_followed() || known->has_generation())) return true;
  DirectoryLook& listed = look.directories[file.directory.get()];
  if (!listed.list_on(*file.directory, limits::kScanListedAtOnce)) return false;
  auto rotated = parts_.rotation.unread(*look.log.declaration, file, listed);
  if (!rotated) look.waits = true;
  if (rotated) {
    std::erase_if(*rotated,
                  [&](const NamedFile& each) { return is_of_other(look, file, each.file_name); });
  }
  if (!rotated || rotated->empty()) return true;
  file.facts = rotated->back().facts;
  if (first_offset(look.log, file) > 0) return true;
  if (learn(look, id, file.log_path()) == nullptr) return true;
  parts_.followed.join(look.log, file, id);
  std::vector<NextGeneration> next;
  for (const NamedFile& each : *rotated) next.push_back({.file = each});
  open_in_order(look, file, id, next);
  parts_.followed.forget_unopened(look.log, id);
  return true;
}

// The source `id` at `host_path`; nullptr: there is no room for another one.
KnownSource* LogScanner::learn(Look& look, SourceId id, const std::string& host_path) {
  const KnownSource* const known = parts_.known.find(id);
  const bool counts = known != nullptr && known->tenant != nullptr;
  if (!counts && (look.log.tenant->sources >= limits::kTenantSourcesMax ||
                  parts_.known.counted() >= limits::kAllSourcesMax)) {
    ++look.unknown;
    return nullptr;
  }
  return &parts_.known.learn(id, host_path, look.log.declaration->stream);
}

// Stops at the first file that cannot be opened: later files must not be read before it.
void LogScanner::open_in_order(Look& look, const FoundFile& where, SourceId id,
                               const NextGenerations& next) {
  if (!next) {
    look.waits = true;
    return;
  }
  for (const NextGeneration& each : *next) {
    if (!open_next(look, where, each, id)) return;
    name(look, where, each.file.file_name, id);
  }
}

// False: it could not be opened, or there is no room for it.
bool LogScanner::open_next(Look& look, const FoundFile& where, const NextGeneration& next,
                           SourceId id) {
  const size_t unopened = look.log.unopened;
  const bool has_room = parts_.held.open_files(id) < limits::kGenerationsOpenMax;
  look.log.unopened += has_room ? 0 : 1;
  const bool is_open = has_room && parts_.followed.open(look.log, where, next, id);
  auto& waiting = parts_.known.at(id).unopened;
  if (is_open) {
    waiting.reset();
  } else if (look.log.unopened > unopened && !waiting) {
    waiting = {next.file.facts.identity, next.step};
  }
  return is_open;
}

void LogScanner::name(const Look& look, const FoundFile& where, const std::string& file_name,
                      SourceId id) {
  const auto watch = look.watches.find(where.directory.get());
  if (watch != look.watches.end()) parts_.names.add(watch->second, file_name, id);
}

bool LogScanner::forget_generations(Look& look) {
  std::set<checkpoint::FileIdentity> on_disk;
  for (const SourceId id : look.log.sources) {
    KnownSource& source = parts_.known.at(id);
    if (source.generations.size() <= source.generations_max) continue;
    // Another declared log may look at directories that this one does not.
    if (source.logs.size() > 1) continue;
    if (on_disk.empty()) {
      for (const FoundFile& file : look.found.files) on_disk.insert(file.facts.identity);
      for (const WatchDir& directory : look.found.directories) {
        DirectoryLook& listed = look.directories[directory.directory.get()];
        if (!listed.list_on(*directory.directory, limits::kScanListedAtOnce)) return false;
        auto files = listed.identities(*directory.directory);
        if (!files) return true;
        on_disk.merge(*files);
      }
    }
    parts_.known.forget_generations(source, [&](const checkpoint::FileIdentity& file) {
      return on_disk.contains(file) || parts_.held.holds(id, file);
    });
  }
  return true;
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
