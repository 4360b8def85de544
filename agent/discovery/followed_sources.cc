#include "agent/discovery/followed_sources.h"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "agent/discovery/compressed_files.h"
#include "agent/discovery/rotated_name.h"
#include "config/limits.h"
#include "config/path.h"
#include "config/printable.h"

namespace longshore::agent {

using checkpoint::SourceEvent;

namespace {

// What users call the file.
const std::string& users_path(const FoundFile& file) {
  return file.log ? file.log.container_path : file.container_path;
}

}  // namespace

void FollowedSources::join(DeclaredLog& log, const FoundFile& file, SourceId id) {
  KnownSource& source = known_.at(id);
  log.sources.insert(id);
  log.resting.erase(id);
  log.matched = true;
  const bool joins = source.logs.emplace(&log, users_path(file)).second;
  if (!joins || source.logs.size() == 1 || !source.is_followed()) return;
  const SourceSpec& spec = *source.spec;
  spdlog::info("{}: {} is already collected as log {} of {}; one copy is shipped, under that name",
               log.title(), file.host_path, spec.declaration->name,
               spec.container_id.empty() ? "the host" : "container " + spec.container_name);
}

std::shared_ptr<const OpenFile> FollowedSources::open_file(DeclaredLog& log, const FoundFile& where,
                                                           const NamedFile& found, SourceId id) {
  if (is_full(log) || is_full()) {
    ++log.unopened;
    return nullptr;
  }
  auto fd = open_found(*where.directory, found.file_name, found.facts.identity);
  if (fd) {
    auto compression = compression_of(*fd, found.file_name);
    // An older version may have read it as it is. One that stays too short to be compressed must
    // not hold up the files after it.
    const bool is_plain =
        is_compressed(found.file_name)
            ? !may_be_making(found.facts, clock_.wall_ns())
            : known_.source_of(found.facts.identity, log.declaration->stream).has_value();
    if (!compression && is_plain) compression = Compression::kNone;
    if (!compression) {
      wait_until_made(log, where, found);
      return nullptr;
    }
    const KnownSource* const known = known_.find(id);
    const bool elsewhere = where.log || (known != nullptr && parent_path(where.host_path) !=
                                                                 parent_path(known->host_path));
    return counted(OpenFile{std::move(fd).value(), found.facts.identity,
                            elsewhere ? where.host_path : std::string(), *compression},
                   log.tenant->open, open_);
  }
  if (fd.error().code == ErrorCode::kFull) {
    if (log.is_new_problem(fd.error().message)) {
      spdlog::error("{}: cannot open {}: {}", log.title(), where.host_path, fd.error().message);
    }
    ++log.unopened;
    log.no_descriptor = true;
  } else if (fd.error().code == ErrorCode::kNotFound) {
    // Renamed or replaced since it was found: the directory has changed, so scan it again.
    log.dirty = true;
  } else {
    cannot_open(log, where, fd.error(), id);
  }
  return nullptr;
}

// Each sweep looks again.
void FollowedSources::wait_until_made(DeclaredLog& log, const FoundFile& where,
                                      const NamedFile& found) {
  log.is_watched = false;
  if (is_compressed(found.file_name) || may_be_making(found.facts, clock_.wall_ns())) return;
  const std::string path = join_path(parent_path(where.host_path), found.file_name);
  if (!log.is_new_problem("compressed " + path)) return;
  spdlog::warn(
      "{}: {} holds compressed data under the name of an uncompressed file, so it is not "
      "collected. Rename it so that it ends with .gz, .zst, .xz or .bz2, delete it, or exclude it.",
      log.title(), printable(path));
}

bool FollowedSources::is_being_made(DeclaredLog& log, const FoundFile& file) {
  const NamedFile named{file.file_name, file.facts};
  // Of an older one open_file() finds out, if it is to be collected at all.
  const checkpoint::FileFacts changed{.identity = {}, .modified_ns = file.facts.changed_ns};
  if (!may_be_making(file.facts, clock_.wall_ns()) && !may_be_making(changed, clock_.wall_ns())) {
    return false;
  }
  if (!agent::is_being_made(*file.directory, named, clock_.wall_ns())) return false;
  wait_until_made(log, file, named);
  return true;
}

// Its lines wait, and so do those of the files that follow it.
void FollowedSources::cannot_open(DeclaredLog& log, const FoundFile& where, const Error& error,
                                  SourceId id) {
  log.retry_open(clock_.monotonic_ns());
  if (!log.is_new_problem(to_string(id) + error.message)) return;
  spdlog::error(
      "{}: cannot open {}: {}. Nothing of it is collected until it can be opened; trying "
      "again, at least once a minute.",
      log.title(), printable(where.host_path), error.message);
}

bool FollowedSources::open(DeclaredLog& log, const FoundFile& where, const NextGeneration& next,
                           SourceId id) {
  const NamedFile& found = next.file;
  auto file = next.open != nullptr ? next.open : open_file(log, where, found, id);
  if (file == nullptr) return false;
  KnownSource& source = known_.at(id);
  if (!source.is_followed()) begin(log, where, id);
  spdlog::debug("{}: opened {} (inode {}) as the next generation of {}, source {}: {}", log.title(),
                found.file_name, found.facts.identity.inode, where.host_path, to_string(id),
                next.why);
  known_.add_generation(id, found.facts.identity);
  held_.hold(id, source.lane, file, found.facts.size_bytes);
  source.touched_ns = clock_.monotonic_ns();
  held_.keep_lively(id, source.touched_ns + limits::kLivelyNs);
  post_(source.lane, SourceOpened{source.spec, std::move(file), next.start_offset, next.step});
  if (log.ended) end_if_unwritten(id);
  return true;
}

void FollowedSources::offer_closed(DeclaredLog& log, const FoundFile& where, const NamedFile& found,
                                   SourceId id) {
  const KnownSource& source = known_.at(id);
  if (!source.is_followed()) return;
  auto file = open_file(log, where, found, id);
  if (file != nullptr) post_(source.lane, SourceOpened{source.spec, std::move(file)});
}

void FollowedSources::begin(const DeclaredLog& log, const FoundFile& where, SourceId id) {
  KnownSource& source = known_.at(id);
  auto spec = std::make_shared<SourceSpec>();
  spec->id = id;
  spec->lane = source.lane;
  spec->declaration = log.declaration;
  spec->host_path = source.host_path;
  spec->container_path =
      source.stream == Stream::kFile ? users_path(where) : stream_name(source.stream);
  spec->container_id = log.who.container_id;
  spec->container_name = log.who.container_name;
  spec->image = log.who.image;
  source.spec = std::move(spec);
  source.by = log.by;
  source.rested.reset();
  known_.count(source, log.tenant);
  source.life = after(source.life, SourceEvent::kOpened);
  spdlog::info("collecting {} ({}) as source {} in lane {}", where.host_path, log.title(),
               to_string(id), source.lane.value);
}

void FollowedSources::ask_about_copy(SourceId id, const std::shared_ptr<const OpenFile>& file) {
  const KnownSource& source = known_.at(id);
  post_(source.lane, JudgeCopy{id, source.stream, file});
}

void FollowedSources::rename(const DeclaredLog& log) {
  for (const SourceId id : log.sources) {
    KnownSource& source = known_.at(id);
    if (!source.is_followed() || source.spec->container_id != log.who.container_id) continue;
    auto spec = std::make_shared<SourceSpec>(*source.spec);
    spec->container_name = log.who.container_name;
    source.spec = spec;
    source.by = log.by;
    post_(source.lane, SourceOpened{source.spec, nullptr});
    if (source.life == checkpoint::SourceLife::kEnded) end_if_unwritten(id);
  }
}

void FollowedSources::end(const DeclaredLog& log) {
  for (const SourceId id : log.sources) {
    hand_over(id, log);
    end_if_unwritten(id);
  }
}

// `from` has ended, or nobody declares it any more: whoever else names its source is the one that
// writes it. One whose container runs comes first.
void FollowedSources::hand_over(SourceId id, const DeclaredLog& from) {
  KnownSource& source = known_.at(id);
  if (!source.is_followed() || source.spec->container_id != from.who.container_id ||
      source.spec->declaration->name != from.declaration->name) {
    return;
  }
  const auto heir = std::ranges::find_if(
      source.logs, [&](const auto& each) { return each.first != &from && !each.first->ended; });
  if (heir == source.logs.end()) return;
  const auto& [log, path] = *heir;
  auto spec = std::make_shared<SourceSpec>(*source.spec);
  spec->declaration = log->declaration;
  if (source.stream == Stream::kFile) spec->container_path = path;
  spec->container_id = log->who.container_id;
  spec->container_name = log->who.container_name;
  spec->image = log->who.image;
  source.spec = std::move(spec);
  source.by = log->by;
  post_(source.lane, SourceOpened{source.spec, nullptr});
  spdlog::info("{} is collected as {} from now on, and no longer as {}", source.host_path,
               log->title(), from.title());
}

void FollowedSources::end_if_unwritten(SourceId id) {
  KnownSource& source = known_.at(id);
  int64_t died_ns = 0;
  for (const auto& [log, path] : source.logs) {
    if (!log->ended) return;
    died_ns = std::max(died_ns, log->died_ns);
  }
  if (source.is_followed()) source.life = after(source.life, SourceEvent::kEnded);
  SourceEnded message{.source = id};
  // What was written later is the next container's, or the same one's that runs again.
  if (const auto newest = held_.newest(id); newest != nullptr) {
    const auto facts = checkpoint::file_facts(newest->fd.get());
    if (facts && facts->modified_ns <= died_ns) {
      message.file = facts->identity;
      message.size_bytes = facts->size_bytes;
    }
  }
  post_(source.lane, message);
}

void FollowedSources::revive(const DeclaredLog& log) {
  for (const SourceId id : log.sources) {
    KnownSource& source = known_.at(id);
    if (!source.is_followed()) continue;
    source.life = after(source.life, SourceEvent::kOpened);
    post_(source.lane, SourceOpened{source.spec, nullptr});
  }
}

void FollowedSources::leave(DeclaredLog& log) {
  for (const SourceId id : log.sources) {
    KnownSource& source = known_.at(id);
    hand_over(id, log);
    source.logs.erase(&log);
    if (source.logs.empty()) release(id);
  }
  log.sources.clear();
}

void FollowedSources::forget_unopened(DeclaredLog& log, SourceId id) {
  KnownSource* const source = known_.find(id);
  if (source == nullptr || source->is_followed() || source->has_generation()) return;
  log.sources.erase(id);
  source->logs.erase(&log);
  if (source->logs.empty()) known_.forget(id);
}

bool FollowedSources::rest(SourceId id) {
  KnownSource& source = known_.at(id);
  const auto newest = held_.newest(id);
  if (!source.is_followed() || newest == nullptr) return false;
  const auto facts = checkpoint::file_facts(newest->fd.get());
  if (!facts || facts->links == 0) return false;
  for (const auto& [log, path] : source.logs) {
    log->sources.erase(id);
    log->resting.insert(id);
  }
  source.logs.clear();
  const auto tenant = source.tenant;
  const bool is_watched = source.is_watched, was_scanned = source.was_scanned;
  release(id);
  KnownSource* const left = known_.find(id);
  if (left == nullptr) return true;  // Deleted just now.
  left->rested = *facts;
  left->is_watched = is_watched;  // Its directory still is.
  left->was_scanned = was_scanned;
  known_.count(*left, tenant);
  leaving_.push_back(newest);
  return true;
}

void FollowedSources::lose(SourceId id) {
  KnownSource& source = known_.at(id);
  for (const auto& [log, path] : source.logs) {
    log->sources.erase(id);
    log->deleted.insert(id);
  }
  source.logs.clear();
  release(id);
}

// The lane ships what it has open of the source, then lets go of it. The source stays known while
// its file exists.
void FollowedSources::release(SourceId id) {
  KnownSource& source = known_.at(id);
  const bool deleted = held_.release(id);
  post_(source.lane, SourceReleased{id, deleted});
  if (source.is_followed()) {
    source.life = after(source.life, deleted ? SourceEvent::kDeleted : SourceEvent::kReleased);
  }
  source.spec = nullptr;
  source.is_watched = source.was_scanned = false;
  known_.uncount(source);
  source.next_look_ns = clock_.monotonic_ns() + limits::kVanishedLookNs;
  if (deleted) known_.forget(id);
}

}  // namespace longshore::agent
