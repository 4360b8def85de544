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
// and the targets that a symlink had since then, and returns how many these are. Empty: one could
// not be opened; look again later.
std::optional<size_t> LogScanner::open_former(Look& look, const FoundFile& file, SourceId id) {
  const KnownSource& source = parts_.known.at(id);
  const bool is_link = file.log || source.is_linked();
  const bool is_newest = file.facts.identity == source.newest;
  const bool turned = is_link && !is_newest && source.file_path != file.host_path;
  FormerFile before{.directory = nullptr,
                    .file = {source.file_name(), {.identity = source.newest}},
                    .host_path = source.file_path};
  if (!source.is_followed() && !is_newest) {
    DirectoryLook& listed = look.directories[file.directory.get()];
    const auto renamed = listed.find(*file.directory, source.newest);
    if (!turned && renamed) return open_hard_linked(look, file, *renamed, id);
    const auto found = look.former.find(source.newest, source.file_path, look.found.directories);
    if (found && !open_one(look, file, *found, Step::kAdjacent, id)) return std::nullopt;
    if (found) before.file = found->file;
    if (found && !turned && !open_moved(look, file, *found, id)) return std::nullopt;
  }
  std::vector<FormerFile> between;
  if (turned) {
    const FormerFile now{file.directory, {file.file_name, file.facts}, file.host_path};
    between = look.former.between(before, now, look.found.directories, knows_file(source.stream));
    if (!open_all(look, file, between, id)) return std::nullopt;
  }
  if (is_link) parts_.known.place(id, file.host_path);
  return between.size();
}

bool LogScanner::open_all(Look& look, const FoundFile& file, const std::vector<FormerFile>& all,
                          SourceId id) {
  const KnownSource& source = parts_.known.at(id);
  for (const FormerFile& each : all) {
    const Step step = step_between(source, parts_.held.newest_facts(id), each.file.facts, false);
    if (!open_one(look, file, each, step, id)) return false;
  }
  return true;
}

// The same where the log's name is a hard link to its newest file (rotatelogs -L): `newest` is what
// is left of the file that is known.
std::optional<size_t> LogScanner::open_hard_linked(Look& look, const FoundFile& file,
                                                   const NamedFile& newest, SourceId id) {
  const KnownSource& source = parts_.known.at(id);
  if (file.facts.links < 2 || is_rotated_from(newest.file_name, source.file_name())) return 0;
  const auto other = find_identity(*file.directory, file.facts.identity, file.file_name);
  if (!other) return 0;
  const std::string parent(parent_path(file.host_path));
  const FormerFile from{file.directory, newest, join_path(parent, newest.file_name)};
  const FormerFile now{file.directory, *other, join_path(parent, other->file_name)};
  if (!open_one(look, file, from, Step::kAdjacent, id)) return std::nullopt;
  const auto between =
      look.former.between(from, now, look.found.directories, knows_file(source.stream));
  if (!open_all(look, file, between, id)) return std::nullopt;
  return between.size();
}

// The files that the log was rotated to since `before`, and that were moved to its directory too
// (logrotate's olddir).
bool LogScanner::open_moved(Look& look, const FoundFile& file, const FormerFile& before,
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
  DirectoryLook& listed = look.directories[where.directory.get()];
  open_in_order(look, where, id,
                parts_.rotation.after_newest(*source, declaration, where,
                                             parts_.held.newest_facts(id), listed));
}

}  // namespace longshore::agent
