#include "agent/discovery/followed_sources.h"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "config/limits.h"

namespace longshore::agent {

using checkpoint::SourceEvent;

void FollowedSources::join(DeclaredLog& log, const FoundFile& file, SourceId id) {
  KnownSource& source = known_.at(id);
  log.sources.insert(id);
  const bool joins = source.logs.insert(&log).second;
  if (!joins || source.logs.size() == 1 || !source.is_followed()) return;
  const SourceSpec& spec = *source.spec;
  spdlog::info("{}: {} is already collected as log {} of {}; one copy is shipped, under that name",
               log.title(), file.host_path, spec.declaration->name,
               spec.container_id.empty() ? "the host" : "container " + spec.container_name);
}

std::shared_ptr<const OpenFile> FollowedSources::open_file(DeclaredLog& log, const FoundFile& where,
                                                           const NamedFile& found) {
  auto fd = open_found(*where.directory, found.file_name, found.facts.identity);
  if (fd) {
    return std::make_shared<OpenFile>(OpenFile{std::move(fd).value(), found.facts.identity});
  }
  if (fd.error().code == ErrorCode::kFull) {
    if (log.is_new_problem(fd.error().message)) {
      spdlog::error("{}: cannot open {}: {}", log.title(), where.host_path, fd.error().message);
    }
    log.is_watched = false;  // Each sweep tries again: a descriptor may be free.
  } else {
    // Renamed or replaced since it was found: the directory has changed, so scan it again.
    log.dirty = true;
  }
  return nullptr;
}

bool FollowedSources::open(DeclaredLog& log, const FoundFile& where, const NextGeneration& next,
                           SourceId id) {
  const NamedFile& found = next.file;
  auto file = next.open != nullptr ? next.open : open_file(log, where, found);
  if (file == nullptr) return false;
  KnownSource& source = known_.at(id);
  if (!source.is_followed()) begin(log, where, id);
  spdlog::debug("{}: opened {} (inode {}) as the next generation of {}, source {}: {}", log.title(),
                found.file_name, found.facts.identity.inode, where.host_path, to_string(id),
                next.why);
  known_.add_generation(id, found.facts.identity);
  held_.hold(id, source.lane, file, found.facts.size_bytes);
  held_.keep_lively(id, clock_.monotonic_ns() + limits::kLivelyNs);
  post_(source.lane, SourceOpened{source.spec, std::move(file), next.start_offset, next.step});
  if (log.ended) end_if_unwritten(id, 0);
  return true;
}

void FollowedSources::begin(const DeclaredLog& log, const FoundFile& where, SourceId id) {
  KnownSource& source = known_.at(id);
  auto spec = std::make_shared<SourceSpec>();
  spec->id = id;
  spec->lane = source.lane;
  spec->declaration = log.declaration;
  spec->host_path = source.host_path;
  spec->container_path =
      source.stream == Stream::kFile ? where.container_path : stream_name(source.stream);
  spec->container_id = log.who.container_id;
  spec->container_name = log.who.container_name;
  spec->image = log.who.image;
  source.spec = std::move(spec);
  source.by = log.by;
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
  }
}

void FollowedSources::end(const DeclaredLog& log, int64_t died_ns) {
  for (const SourceId id : log.sources) end_if_unwritten(id, died_ns);
}

void FollowedSources::end_if_unwritten(SourceId id, int64_t died_ns) {
  KnownSource& source = known_.at(id);
  const auto ended = [](const DeclaredLog* log) { return log->ended; };
  if (!std::ranges::all_of(source.logs, ended)) return;
  if (source.is_followed()) source.life = after(source.life, SourceEvent::kEnded);
  SourceEnded message{.source = id};
  // What was written later is the next container's, or the same one's that runs again.
  const auto newest = held_.newest(id);
  if (newest && died_ns != 0 && newest->modified_ns <= died_ns) {
    message.file = newest->identity;
    message.size_bytes = newest->size_bytes;
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
    source.logs.erase(&log);
    if (source.logs.empty()) release(id);
  }
  log.sources.clear();
}

void FollowedSources::lose(SourceId id) {
  KnownSource& source = known_.at(id);
  for (DeclaredLog* log : source.logs) {
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
  source.next_look_ns = clock_.monotonic_ns() + limits::kVanishedLookNs;
  if (deleted) known_.forget(id);
}

}  // namespace longshore::agent
