// Files about which a log's lane decides: they may be copies of the log, compressed ones, or closed
// generations that were written to.

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "agent/discovery/log_scanner.h"
#include "agent/discovery/rotated_name.h"
#include "config/limits.h"
#include "config/path.h"

namespace longshore::agent {

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
    // A copy is empty when it appears, and stays so if the log was. As long as it holds nothing,
    // nothing is to be collected: a log of its own would take the names of other copies over when
    // they are rotated on. Each sweep looks again.
    const bool is_new = clock_.wall_ns() < file.facts.identity.born_ns() + limits::kCopyNsMin;
    look.waits = look.waits || is_new;
    look.log.is_watched = false;
    return true;
  }
  const SourceId own = parts_.known.id_of(file.log_path(), stream);
  auto open = parts_.followed.open_file(look.log, file, {file.file_name, file.facts}, own);
  if (open != nullptr) look.undecided.push_back({log, {&look.log, file, std::move(open)}});
  return true;
}

// After all files were opened: the lane has to know the log before it can judge a copy of it.
void LogScanner::ask(Look& look) {
  for (auto& [log, file] : look.undecided) {
    // Other scans had their turns since.
    const KnownSource* const source = parts_.known.find(log);
    const bool is_new = parts_.copies.state_of(file.file, look.log.declaration->stream,
                                               clock_.monotonic_ns()) == CopyQuestions::State::kNew;
    if (source == nullptr || !is_new ||
        (!source->is_followed() && look.paths.contains(source->host_path))) {
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

// Whether `file_name`, which may have been rotated from `log`, may as well belong to another log
// that is there, which decides about it; or to one that is known, while `log` is not.
bool LogScanner::is_of_other(const Look& look, const FoundFile& log,
                             const std::string& file_name) const {
  const Stream stream = look.log.declaration->stream;
  const auto is_known = [&](const std::string& path) {
    return parts_.known.contains(parts_.known.id_of(path, stream));
  };
  const bool is_new = !is_known(log.host_path);
  return std::ranges::any_of(rotated_bases(file_name), [&](const std::string& base) {
    const std::string path = join_path(parent_path(log.host_path), base);
    return base != log.file_name && (look.paths.contains(path) || (is_new && is_known(path)));
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
    parts_.followed.offer_closed(look.log, where, each, id);
    name(look, where, each.file_name, id);
  }
}

}  // namespace longshore::agent
