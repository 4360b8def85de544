// What stands elsewhere: the former targets of a log's symlink, what a renamed directory took
// along.

#include <map>
#include <utility>

#include "agent/discovery/log_scanner.h"
#include "agent/discovery/rotated_name.h"
#include "config/glob.h"
#include "config/limits.h"
#include "config/path.h"

namespace longshore::agent {

// Opens what comes before `file` and stands elsewhere: the newest known file if nobody has it open,
// and what the log was turned, renamed or moved to since then. Empty: one could not be opened; look
// again later.
std::optional<LogScanner::Former> LogScanner::open_former(Look& look, const FoundFile& file,
                                                          SourceId id) {
  const KnownSource& source = parts_.known.at(id);
  const bool is_link = file.log || source.is_linked();
  std::optional<Former> former = Former{};
  if (file.facts.identity != source.newest) {
    const bool turned = file.log && source.file_path != file.host_path;
    former = turned ? open_turned(look, file, id) : open_departed(look, file, id);
  }
  if (former && is_link) parts_.known.place(id, file.host_path);
  return former;
}

// The newest known file has another name than the log now, or is in another directory.
std::optional<LogScanner::Former> LogScanner::open_departed(Look& look, const FoundFile& file,
                                                            SourceId id) {
  KnownSource& source = parts_.known.at(id);
  if (!file.log && !was_seen_there(look, file, id)) source.is_watched = false;
  // Where we watched, nothing has come and gone.
  if (source.is_followed() && source.is_watched && arrivals(look, file, id) <= 1) return Former{};
  DirectoryLook& listed = look.directories[file.directory.get()];
  const auto renamed = listed.find(*file.directory, source.newest);
  if (renamed) return open_renamed(look, file, *renamed, id);
  const auto found = look.former.find(source.newest, source.file_path, look.found.directories);
  if (!found) return Former{};
  const bool is_open = source.is_followed() || open_one(look, file, *found, Step::kAdjacent, id);
  return is_open ? open_moved(look, file, *found, id) : std::nullopt;
}

// The log's symlink led from the newest known file to `file`. If their names have nothing in common
// (the first target was the log's own file), the link's name tells what the others are called.
std::optional<LogScanner::Former> LogScanner::open_turned(Look& look, const FoundFile& file,
                                                          SourceId id) {
  const KnownSource& source = parts_.known.at(id);
  const auto is_known = knows_file(source.stream);
  const auto& directories = look.found.directories;
  FormerFile from{.directory = nullptr,
                  .file = {source.file_name(), {.identity = source.newest}},
                  .host_path = source.file_path};
  if (!source.is_followed()) {
    const auto found = look.former.find(source.newest, source.file_path, directories);
    if (found && !open_one(look, file, *found, Step::kAdjacent, id)) return std::nullopt;
    if (found) from.file = found->file;
  }
  const FormerFile now{file.directory, {file.file_name, file.facts}, file.host_path};
  auto between = look.former.between(from, now, directories, is_known);
  if (!between) {
    between = look.former.before(now, source.host_path, 0, directories, is_known);
    std::erase_if(*between, [&](const FormerFile& each) {
      return age_ns(each.file.facts) < age_ns(from.file.facts);
    });
  }
  if (!open_all(look, file, *between, id)) return std::nullopt;
  return Former{.opened = between->size()};
}

bool LogScanner::open_all(Look& look, const FoundFile& file, const std::vector<FormerFile>& all,
                          SourceId id) {
  const KnownSource& source = parts_.known.at(id);
  for (const FormerFile& each : all) {
    const Step step = step_between(source, parts_.held.newest_facts(id), each.file.facts, true);
    if (!open_one(look, file, each, step, id)) return false;
  }
  return true;
}

// `newest` is what is left of the file that is known, beside `file`. Its name may be another one of
// the log's newest file, which the log's name is a hard link to (rotatelogs -L), or nothing that is
// made of the log's name (@4000....s): then the others are called like it.
std::optional<LogScanner::Former> LogScanner::open_renamed(Look& look, const FoundFile& file,
                                                           const NamedFile& newest, SourceId id) {
  const KnownSource& source = parts_.known.at(id);
  if (is_rotated_from(newest.file_name, source.file_name())) return Former{};
  const std::string parent(parent_path(file.host_path));
  const FormerFile from{file.directory, newest, join_path(parent, newest.file_name)};
  const auto other = file.facts.links < 2
                         ? std::nullopt
                         : find_identity(*file.directory, file.facts.identity, file.file_name);
  FormerFiles::Found between;
  if (other) {
    const FormerFile now{file.directory, *other, join_path(parent, other->file_name)};
    between = look.former.between(from, now, look.found.directories, knows_file(source.stream));
  } else {
    between = moved_as(look, file, from, id);
  }
  const Former former{.opened = between ? between->size() : 0, .may_be_more = !other && !between};
  if (former.opened == 0 && !other) return former;
  if (!source.is_followed() && !open_one(look, file, from, Step::kAdjacent, id)) {
    return std::nullopt;
  }
  if (between && !open_all(look, file, *between, id)) return std::nullopt;
  return former;
}

// The files that were moved away from the log's path since `newest` was, which is found elsewhere.
FormerFiles::Found LogScanner::moved_as(Look& look, const FoundFile& file, const FormerFile& newest,
                                        SourceId id) const {
  const FormerFile now{file.directory, {file.file_name, file.facts}, file.host_path};
  const bool is_of_host = look.log.who.container_id.empty();
  return look.former.moved(newest, now, look.found.directories, is_of_host,
                           knows_file(parts_.known.at(id).stream));
}

// The newest known file, `before`, is in another directory: alone, because rotated files are moved
// there (logrotate's olddir), or with its own directory, which was renamed.
std::optional<LogScanner::Former> LogScanner::open_moved(Look& look, const FoundFile& file,
                                                         const FormerFile& before, SourceId id) {
  if (!open_rotated_there(look, file, before, id)) return std::nullopt;
  const std::string base = parts_.known.at(id).file_name();
  FormerFile newest = before;
  const bool is_rotated = is_rotated_from(before.file.file_name, base);
  if (is_rotated) newest.host_path = join_path(parent_path(before.host_path), base);
  const auto others = moved_as(look, file, newest, id);
  if (!others) return Former{.may_be_more = !is_rotated};
  if (!open_all(look, file, *others, id)) return std::nullopt;
  return Former{.opened = others->size()};
}

bool LogScanner::open_rotated_there(Look& look, const FoundFile& file, const FormerFile& before,
                                    SourceId id) {
  const KnownSource& source = parts_.known.at(id);
  const auto rotated = rotated_files(*before.directory, source.file_name());
  if (!rotated) return false;
  checkpoint::FileFacts last = before.file.facts;
  for (const NamedFile& each : *rotated) {
    const bool is_later =
        age_ns(each.facts) > age_ns(last) && age_ns(each.facts) < age_ns(file.facts);
    if (!is_later || parts_.known.source_of(each.facts.identity, source.stream)) continue;
    const FormerFile next{before.directory, each,
                          join_path(parent_path(before.host_path), each.file_name)};
    if (!open_one(look, file, next, step_between(source, last, each.facts, false), id)) {
      return false;
    }
    last = each.facts;
  }
  return true;
}

// A log may be turned before anybody looks at it, or while no agent runs: opens the targets before
// `file`, the first that is known. Others are history.
bool LogScanner::open_before(Look& look, const FoundFile& file, SourceId id) {
  const FormerFile now{file.directory, {file.file_name, file.facts}, file.host_path};
  const auto all =
      look.former.before(now, file.log_path(), alive_ns_ - limits::kFileClockNs,
                         look.found.directories, knows_file(look.log.declaration->stream));
  const KnownSource& source = parts_.known.at(id);
  for (const FormerFile& each : all) {
    const Step step = source.is_followed() ? step_between(source, parts_.held.newest_facts(id),
                                                          each.file.facts, false)
                                           : Step::kAdjacent;
    if (!open_one(look, file, each, step, id)) return false;
  }
  return true;
}

FormerFiles::IsKnown LogScanner::knows_file(Stream stream) const {
  return [this, stream](const checkpoint::FileIdentity& identity) {
    return parts_.known.source_of(identity, stream).has_value();
  };
}

// Opens what a transaction in doubt had read after the newest file that is known for sure, wherever
// it stands by now: its name may tell nothing. Its lane knows whether it was shipped. False: one
// could not be opened; later files must not be read before it.
bool LogScanner::open_in_doubt(Look& look, const FoundFile& file, SourceId id) {
  const KnownSource& source = parts_.known.at(id);
  if (source.in_doubt.empty()) return true;
  if (!source.is_followed()) {
    const auto newest = find_file(look, source.newest, id);
    // Perhaps it was compressed, and is to be read before those in doubt.
    DirectoryLook& listed = look.directories[file.directory.get()];
    if (!newest && !listed.compressed(*file.directory, source.file_name()).empty()) return true;
    if (newest && !open_one(look, file, *newest, Step::kAdjacent, id)) return false;
  }
  for (const auto& each : std::vector(source.in_doubt)) {
    const auto found = find_file(look, each, id);
    if (!found) continue;
    const Step step = step_between(source, parts_.held.newest_facts(id), found->file.facts, true);
    if (!open_one(look, file, *found, step, id)) return false;
  }
  return true;
}

// A file of the log `id`, among those that were found or where others of the log may be.
std::optional<FormerFile> LogScanner::find_file(Look& look, const checkpoint::FileIdentity& file,
                                                SourceId id) {
  for (const FoundFile& each : look.found.files) {
    if (each.facts.identity != file) continue;
    return FormerFile{each.directory, {each.file_name, each.facts}, each.host_path};
  }
  return look.former.find(file, parts_.known.at(id).file_path, look.found.directories);
}

// `where` is the log's present file.
bool LogScanner::open_one(Look& look, const FoundFile& where, const FormerFile& former, Step step,
                          SourceId id) {
  FoundFile there = where;
  there.directory = former.directory;
  there.file_name = former.file.file_name;
  there.facts = former.file.facts;
  there.host_path = former.host_path;
  const KnownSource& source = parts_.known.at(id);
  const auto& waiting = source.unopened;
  if (waiting && former.file.facts.identity != source.newest) {
    step = waiting->file == former.file.facts.identity ? waiting->step : Step::kGap;
  }
  const NextGeneration next{
      .file = former.file, .step = step, .why = "the log's link led to it, or it was moved"};
  return open_next(look, there, next, id);
}

// Finds sources whose symlink is gone, leads to nothing or to a file that is another log. An
// earlier version knew targets by their own names.
void LogScanner::find_linked(Look& look) const {
  const Declaration& declaration = *look.log.declaration;
  std::map<SourceId, LogName> all;
  for (const auto& [path, log] : look.found.linked) {
    all.emplace(parts_.known.id_of(path, declaration.stream), log);
  }
  for (const WatchDir& directory : look.found.directories) {
    if (directory.container_path.empty()) continue;
    for (const SourceId id : parts_.known.in_directory(directory.log_path())) {
      const KnownSource& source = parts_.known.at(id);
      const std::string link(last_component(source.host_path));
      if (!source.is_linked() || !look.log.declares(directory, link)) continue;
      all.emplace(id, LogName{source.host_path, join_path(directory.container_path, link)});
    }
  }
  const bool first =
      !look.log.scanned && !look.found.linked.empty() && !has_wildcards(declaration.path);
  if (first) {
    for (const auto& [id, source] : parts_.known.all()) {
      const bool is_ours = source.by != nullptr && source.by->name == declaration.name &&
                           source.by->container_id == look.log.who.container_id;
      if (is_ours) all.emplace(id, look.found.linked.begin()->second);
    }
  }
  look.linked.emplace(all.begin(), all.end());
}

// Reads the last target of such a symlink to the end.
void LogScanner::resume_linked(Look& look, SourceId id, const LogName& log) {
  const Declaration& declaration = *look.log.declaration;
  const KnownSource* const source = parts_.known.find(id);
  if (source == nullptr || source->is_followed() || !source->has_generation()) return;
  if (source->stream != declaration.stream || is_file_gone(source->life)) return;
  if (source->rested && look.resting.contains(id)) return;
  const auto found = look.former.find(source->newest, source->file_path, look.found.directories);
  if (!found || source->is_resting(found->file.facts)) return;
  const FoundFile where{.container_path = log.container_path,
                        .host_path = found->host_path,
                        .directory = found->directory,
                        .file_name = found->file.file_name,
                        .facts = found->file.facts,
                        .image_bytes = 0,
                        .log = log};
  parts_.followed.join(look.log, where, id);
  DirectoryLook listed;  // Not one of the scan's: its directory is open no longer than `found`.
  open_in_order(look, where, id,
                parts_.rotation.after_newest(*source, declaration, where,
                                             parts_.held.newest_facts(id), listed));
}

}  // namespace longshore::agent
