#include "agent/discovery/rotation.h"

#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "agent/discovery/compressed_files.h"
#include "agent/discovery/rotated_name.h"
#include "config/glob.h"
#include "config/limits.h"
#include "config/path.h"

namespace longshore::agent {
namespace {

using checkpoint::FileFacts;

constexpr int kPortMin = 1024;  // A number from here on is more likely a port's.

bool contains(const std::vector<NextGeneration>& next, const checkpoint::FileIdentity& file) {
  return std::any_of(next.begin(), next.end(),
                     [&](const NextGeneration& each) { return each.file.facts.identity == file; });
}

// Whether `earlier` was written before `later` was born, but for the writes of a process that had
// not learned of the rotation yet.
bool came_before(const FileFacts& earlier, const FileFacts& later, int64_t grace_ns) {
  const int64_t earlier_ns = earlier.identity.born_ns(), later_ns = later.identity.born_ns();
  if (earlier_ns == 0 || later_ns == 0) return earlier.modified_ns <= later.modified_ns;
  return earlier_ns <= later_ns && earlier.modified_ns <= later_ns + grace_ns;
}

// Whether all of it was written right after its birth, as a copy is.
bool was_written_at_once(const FileFacts& facts) {
  if (facts.identity.born_ns() == 0) return true;
  const auto copying_ns = static_cast<int64_t>(std::min(facts.size_bytes, limits::kCopyBytesMax)) *
                          limits::kCopyNsPerByteMax;
  return facts.modified_ns <= facts.identity.born_ns() + limits::kCopyNsMin + copying_ns;
}

// Whether `file` may be a copy that was made of `log` before that was truncated.
bool may_be_copy_of(const FileFacts& file, const FileFacts& log) {
  return was_written_at_once(file) &&
         log.modified_ns + limits::kFileClockNs >= file.identity.born_ns();
}

// The file that a log's name leads to. Of a symlink that leads to another directory, the link: that
// says at least since when.
std::optional<FileFacts> present_file(const Fd& directory, const std::string& name) {
  const auto facts = checkpoint::file_facts_at(directory.get(), name.c_str());
  if (!facts) return std::nullopt;
  if (!S_ISLNK(facts->mode)) return *facts;
  std::array<char, PATH_MAX> bytes{};
  const ssize_t size = ::readlinkat(directory.get(), name.c_str(), bytes.data(), bytes.size() - 1);
  const std::string target(bytes.data(), size > 0 ? static_cast<size_t>(size) : 0);
  if (target.empty() || target.find('/') != std::string::npos) return *facts;
  const auto there = checkpoint::file_facts_at(directory.get(), target.c_str());
  return there && S_ISREG(there->mode) ? *there : *facts;
}

bool is_being_written(const Fd& directory, const NamedFile& file) {
  const auto fd = open_found(directory, file.file_name, file.facts.identity);
  return fd && checkpoint::has_writer(fd->get());
}

// Two logs that are seen for the first time tell little about each other. Then "server.log.8081" is
// more likely a log of its own than the 8081st rotation of "server.log".
bool looks_like_port(const std::string& file_name, const std::string& base) {
  const auto number = rotation_number(file_name, base);
  return number && *number >= kPortMin;
}

// Whether nothing can have come and gone between two generations while nobody watched: the later
// one was born when the earlier one was written to last, or, if it `is_last` and so the earlier one
// was renamed just once, when that was renamed. Numbers do not tell: a log may be deleted instead
// of rotated.
Step step_unseen(const FileFacts& earlier, const FileFacts& later, bool is_last) {
  const int64_t born_ns = later.identity.born_ns();
  const bool is_renamed_then = is_last && earlier.changed_ns >= born_ns - limits::kAbutNs &&
                               earlier.changed_ns <= born_ns + limits::kAbutNs;
  const bool abut = earlier.modified_ns >= born_ns - limits::kAbutNs || is_renamed_then;
  return born_ns != 0 && abut ? Step::kAdjacent : Step::kUnproven;
}

}  // namespace

FileFacts times_of(const NamedFile& file) {
  FileFacts facts = file.facts;
  if (is_compressed(file.file_name)) facts.identity.birth_ns = facts.changed_ns = 0;
  facts.modified_ns = last_write_ns(file);
  return facts;
}

// While we watch, whatever is deleted is older than what was newest a moment ago.
Step step_between(const KnownSource& source, const std::optional<FileFacts>& earlier,
                  const FileFacts& later, bool is_last) {
  if (source.is_watched) return Step::kAdjacent;
  return earlier ? step_unseen(*earlier, later, is_last) : Step::kUnproven;
}

// What the log that `file` was found as is known by.
SourceId Rotation::id_of(const FoundFile& file, Stream stream) const {
  const SourceId id = sources_.id_of(file.log_path(), stream);
  if (sources_.contains(id)) return id;
  // It may be known under another name: that of another container's symlink, or the file's.
  if (const auto linked = sources_.behind_link(file.host_path, stream)) return *linked;
  const SourceId own = sources_.id_of(file.host_path, stream);
  return sources_.contains(own) ? own : id;
}

Belonging Rotation::source_of(const FoundFile& file, Stream stream,
                              const std::unordered_set<std::string_view>& found_paths) const {
  if (is_compressed_of(sources_, file, stream, found_paths)) return {};
  if (const auto known = sources_.source_of(file.facts.identity, stream)) return {known};
  if (const auto doubter = sources_.doubter_of(file.facts.identity, stream)) return {doubter};
  const SourceId own = id_of(file, stream);
  const KnownSource* const itself = sources_.find(own);
  // A known log stays one, but what takes its name may be a copy of another.
  const bool is_log = itself != nullptr && itself->has_generation();
  Belonging belonging{own};
  // A file that has another name than its symlink is the log's newest, however it is called.
  if (last_component(file.log_path()) != file.file_name) return belonging;
  for (const std::string& base : rotated_bases(file.file_name)) {
    const std::string base_path = join_path(parent_path(file.log_path()), base);
    const SourceId id = sources_.id_of(base_path, stream);
    const KnownSource* const log = sources_.find(id);
    if (log == nullptr && !found_paths.contains(base_path)) continue;
    const Lineage lineage = lineage_of(log, base, file, present_file(*file.directory, base));
    if (lineage != Lineage::kOther && !is_log) return {.is_undecided = lineage == Lineage::kWait};
    const bool was_read = log != nullptr && log->was_read();
    if (was_read && !belonging.copy_of) belonging.copy_of = id;
  }
  return belonging;
}

// `present`: the file that has the log's name now. A log that was found and is not known yet is
// null.
Lineage Rotation::lineage_of(const KnownSource* log, const std::string& base, const FoundFile& file,
                             const std::optional<FileFacts>& present) const {
  const bool was_read = log != nullptr && log->was_read();
  // History, or read before by an agent that has forgotten its identity since.
  if (was_read && file.facts.modified_ns < alive_ns_ - limits::kFileClockNs)
    return Lineage::kEarlier;
  const bool is_older = was_read && file.facts.identity.born_ns() < log->newest.born_ns();
  if (!present) {
    const bool overlaps =
        is_older && file.facts.modified_ns > log->newest.born_ns() + limits::kSideBySideNs;
    return overlaps ? Lineage::kOther : Lineage::kEarlier;
  }
  // rotatelogs -L: the log's name is another one of its newest file.
  if (present->identity == file.facts.identity) return Lineage::kEarlier;
  const NamedFile named{file.file_name, file.facts};
  if (!was_read) return lineage_of_new(base, *file.directory, named, *present);
  if (!came_before(file.facts, *present, limits::kSideBySideNs)) return Lineage::kOther;
  return unless_written(*file.directory, named, *present);
}

// Of a file that the declaration names, as its log does, which nobody has read yet. What was
// written at once while the log was there is taken for a copy of what that held before it was
// truncated.
Lineage Rotation::lineage_of_new(const std::string& base, const Fd& directory,
                                 const NamedFile& file, const FileFacts& present) const {
  if (looks_like_port(file.file_name, base)) return Lineage::kOther;
  const bool earlier = came_before(file.facts, present, limits::kSideBySideNs);
  if (!earlier && !may_be_copy_of(file.facts, present)) return Lineage::kOther;
  return unless_written(directory, file, present);
}

// A file that was born before the present one of its log. If the declaration names it, it is
// collected in any case, so the least sign of another writer makes it a log of its own; if not, it
// is collected only as a part of this log.
Lineage Rotation::lineage_of(const Declaration& declaration, const Fd& directory,
                             const NamedFile& file, const FileFacts& present) const {
  const bool is_named = glob_match(last_component(declaration.path), file.file_name);
  const int64_t grace_ns = is_named ? limits::kSideBySideNs : limits::kLateWritesNs;
  if (!came_before(file.facts, present, grace_ns)) return Lineage::kOther;
  return is_named ? unless_written(directory, file, present) : Lineage::kEarlier;
}

Lineage Rotation::unless_written(const Fd& directory, const NamedFile& file,
                                 const FileFacts& present) const {
  if (!is_being_written(directory, file)) return Lineage::kEarlier;
  const int64_t since_ns = clock_.wall_ns() - present.identity.born_ns();
  return since_ns >= 0 && since_ns < limits::kLateWritesNs ? Lineage::kWait : Lineage::kOther;
}

// Of files as old as those of the log that are known, nothing is to be opened.
void Rotation::leave_out_unmade(const Fd& directory, Stream stream, int64_t since_ns,
                                std::vector<NamedFile>& files) const {
  std::erase_if(files, [&](const NamedFile& each) {
    return age_ns(each.facts) >= since_ns && !is_known(each.facts.identity, stream) &&
           is_being_made(directory, each, clock_.wall_ns());
  });
}

// What the log was rotated to has names that are made of its file's name. Where its symlink stands
// beside its targets, they may be made of the link's.
std::optional<std::vector<NamedFile>> Rotation::rotated_of(const KnownSource& source,
                                                           const Fd& directory,
                                                           DirectoryLook& look) const {
  auto files = look.rotated(directory, source.file_name());
  const bool is_beside =
      source.is_linked() && parent_path(source.host_path) == parent_path(source.file_path);
  if (files) leave_out_unmade(directory, source.stream, source.newest.born_ns(), *files);
  if (!files || !is_beside) return files;
  const auto more = look.rotated(directory, std::string(last_component(source.host_path)));
  if (!more) return std::nullopt;
  for (const NamedFile& each : *more) {
    const bool is_listed = std::ranges::any_of(*files, [&](const NamedFile& other) {
      return other.facts.identity == each.facts.identity;
    });
    if (!is_listed) files->push_back(each);
  }
  std::ranges::stable_sort(*files, {}, [](const NamedFile& each) { return age_ns(each.facts); });
  return files;
}

NextGenerations Rotation::after_newest(const KnownSource& source, const Declaration& declaration,
                                       const FoundFile& file, const std::optional<FileFacts>& open,
                                       DirectoryLook& look) const {
  const auto& newest = source.newest;
  const bool resuming = !source.is_followed();
  const bool is_renamed = file.facts.identity == newest;
  if (is_renamed && file.file_name == source.file_name()) {
    return std::vector{NextGeneration{.file = {file.file_name, file.facts}, .why = "it is known"}};
  }
  const auto listed = rotated_of(source, *file.directory, look);
  if (!listed) return std::nullopt;
  const auto is_newest = [&](const NamedFile& each) { return each.facts.identity == newest; };
  const auto is_unknown = [&](const NamedFile& each) {
    return !is_known(each.facts.identity, source.stream);
  };
  std::vector<NextGeneration> next;
  std::optional<FileFacts> before;  // Of the generation before.
  int64_t since_ns = newest.born_ns();
  bool has_left = false;  // The newest generation: others may have come and gone after it.
  const auto begin_after = [&](const NamedFile& known) {
    before = times_of(known);
    if (is_compressed(known.file_name)) since_ns = before->modified_ns - limits::kLateWritesNs;
    if (resuming) next.push_back({.file = known, .why = "it is known"});
  };
  auto from = std::ranges::find_if(*listed, is_newest);
  if (from != listed->end()) {
    begin_after(*from);
    ++from;
  } else if (const auto renamed = look.find(*file.directory, newest)) {
    begin_after(*renamed);
    from = listed->begin();
  } else {
    from = listed->begin();
    if (open && open->links > 0) before = open;  // It stands in another directory.
    has_left = from != listed->end() && std::ranges::all_of(*listed, is_unknown);
  }
  auto expected = source.unopened;
  if (expected && expected->file == newest) expected.reset();
  const auto step_to = [&](const FileFacts& facts) {
    const auto earlier = std::exchange(before, facts);
    const bool is_after_left = std::exchange(has_left, false);
    if (const auto first = std::exchange(expected, std::nullopt)) {
      return first->file == facts.identity ? first->step : Step::kGap;
    }
    if (is_after_left) return earlier ? step_unseen(*earlier, facts, false) : Step::kGap;
    return step_between(source, earlier, facts, facts.identity == file.facts.identity);
  };
  // A copy of the log is younger than the log's file, and so are the copies after it.
  const bool is_bounded = !is_renamed && file.facts.identity.born_ns() >= since_ns;
  for (; from != listed->end(); ++from) {
    if (!is_unknown(*from) || contains(next, from->facts.identity)) continue;
    if (from->facts.identity.born_ns() < since_ns) continue;
    const bool is_last = from->facts.identity == file.facts.identity;
    const Lineage lineage = is_last || !is_bounded
                                ? Lineage::kEarlier
                                : lineage_of(declaration, *file.directory, *from, file.facts);
    if (lineage == Lineage::kWait) return std::nullopt;
    if (lineage == Lineage::kOther) continue;
    next.push_back({.file = *from,
                    .step = step_to(from->facts),
                    .why = "its name is made of the log's, and it was written after the "
                           "generation before it and before the next one was born"});
  }
  if (contains(next, file.facts.identity)) return next;
  next.push_back({.file = {file.file_name, file.facts}, .step = step_to(file.facts)});
  return next;
}

// Rotated files belong to a new source too if the declaration names them, or if they were written
// to after `alive_ns_`: a container may write and rotate before anybody can look, or while no agent
// runs. Others are history, which is not collected.
std::optional<std::vector<NamedFile>> Rotation::unread(const Declaration& declaration,
                                                       const FoundFile& file,
                                                       DirectoryLook& look) const {
  const int64_t since_ns = alive_ns_ - limits::kFileClockNs;
  const std::string_view pattern = last_component(declaration.path);
  const bool log_is_there = file.facts.identity != checkpoint::FileIdentity{};
  const std::string base(last_component(file.host_path));
  auto rotated = look.rotated(*file.directory, base);
  if (!rotated) return std::nullopt;
  leave_out_unmade(*file.directory, declaration.stream, 0, *rotated);
  merge_compressed(look.compressed(*file.directory, base), *rotated);
  bool waits = false;
  std::erase_if(*rotated, [&](const NamedFile& each) {
    if (is_known(each.facts.identity, declaration.stream)) return true;
    if (sources_.doubter_of(each.facts.identity, declaration.stream)) return true;
    const bool is_named = glob_match(pattern, each.file_name);
    if (!is_named && last_write_ns(each) < since_ns) return true;
    if (!log_is_there || each.facts.identity == file.facts.identity) return false;
    if (is_compressed(each.file_name)) return false;  // It is read as part of this log only.
    if (!is_named) {
      // Perhaps a copy, made before the log was truncated.
      return !came_before(each.facts, file.facts, limits::kLateWritesNs) &&
             !may_be_copy_of(each.facts, file.facts);
    }
    const Lineage lineage = lineage_of_new(base, *file.directory, each, file.facts);
    waits = waits || lineage == Lineage::kWait;
    return lineage == Lineage::kOther;
  });
  if (waits) return std::nullopt;
  return rotated;
}

NextGenerations Rotation::of_new_source(const Declaration& declaration, const FoundFile& file,
                                        uint64_t offset, DirectoryLook& look) const {
  std::vector<NextGeneration> next;
  if (offset == 0) {
    auto rotated = unread(declaration, file, look);
    if (!rotated) return std::nullopt;
    for (NamedFile& each : *rotated) {
      next.push_back({.file = std::move(each),
                      .why = "its name is made of the log's, and it was written before the log's "
                             "present file was born"});
    }
  }
  if (!contains(next, file.facts.identity)) {
    next.push_back({.file = {file.file_name, file.facts}, .start_offset = offset});
  }
  for (size_t i = 1; i < next.size(); ++i) {
    const FileFacts before = times_of(next[i - 1].file);
    if (before.modified_ns < alive_ns_) continue;  // Of history nothing is promised.
    next[i].step = step_unseen(before, times_of(next[i].file), i + 1 == next.size());
  }
  return next;
}

std::optional<NamedFile> Rotation::renamed_to(const KnownSource& source, const Fd& directory,
                                              DirectoryLook& look) const {
  // The newest generation of a source that is followed is open: only what came after it matters.
  auto renamed = source.is_followed() ? std::nullopt : look.find(directory, source.newest);
  if (!renamed && !is_file_gone(source.life)) {
    const auto rotated = rotated_of(source, directory, look);
    const NamedFile* since = rotated ? successor(source, *rotated) : nullptr;
    auto packed = since == nullptr ? look.compressed(directory, source.file_name())
                                   : std::vector<NamedFile>();
    std::erase_if(packed, [&](const NamedFile& each) {
      return is_of_shorter_name(sources_, source, each.file_name);
    });
    const bool is_packed = !packed.empty() &&
                           !is_known(packed.back().facts.identity, source.stream) &&
                           last_write_ns(packed.back()) >= source.newest.born_ns();
    if (is_packed) since = &packed.back();
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

std::optional<std::vector<NamedFile>> Rotation::copies_of(const KnownSource& source,
                                                          const Fd& directory) const {
  auto rotated = all_rotated_files(directory, source.file_name());
  if (!rotated) return std::nullopt;
  std::erase_if(*rotated, [&](const NamedFile& each) {
    return is_known(each.facts.identity, source.stream) ||
           (!is_compressed(each.file_name) && !was_written_at_once(each.facts));
  });
  const size_t surplus = rotated->size() - std::min(rotated->size(), limits::kCopiesMax);
  rotated->erase(rotated->begin(), rotated->begin() + static_cast<std::ptrdiff_t>(surplus));
  return rotated;
}

}  // namespace longshore::agent
