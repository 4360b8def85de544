#include "agent/discovery/discovery.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <map>
#include <utility>

#include "agent/discovery/compressed_files.h"
#include "config/limits.h"

namespace longshore::agent {

Discovery::Discovery(const DiscoveryOptions& options, const HostMounts& mounts,
                     DirectoryWatcher& watcher, PostToLane post, const Clock& clock)
    : host_root_(options.host_root),
      mounts_(mounts),
      post_(std::move(post)),
      clock_(clock),
      turn_steps_(options.turn_steps),
      logs_(clock),
      known_(options.host_id, options.lanes),
      held_(options.deleted_bytes_max),
      names_(watcher),
      rotation_(known_, options.alive_ns, clock),
      followed_(options.open, known_, held_, post_, clock),
      refusals_(options.host_id, options.lanes, post_),
      scanner_({known_, held_, names_, rotation_, followed_, copies_, refusals_}, host_root_,
               mounts, options.first_start_at_end, options.alive_ns, clock),
      vanished_(options.host_root, mounts, known_, rotation_, clock) {}

void Discovery::remember(const std::vector<checkpoint::StoredSource>& stored,
                         const std::vector<LedgerEntry>& ledger,
                         const std::vector<checkpoint::PreparedSource>& prepared) {
  known_.remember(stored, prepared);
  logs_.remember(stored);
  refusals_.remember(ledger);
}

void Discovery::declare(const Declarer& who, const Declaration& declaration, FsSpec fs) {
  DeclaredLog* log = logs_.find(who.container_id, declaration.name);
  if (log != nullptr && *log->declaration != declaration) {
    // The container was recreated under the same id, or its labels changed: start over.
    remove(*log);
    log = nullptr;
  }
  if (log == nullptr) log = &logs_.add(who, declaration);
  const bool renamed = log->who.container_name != who.container_name && log->scanned;
  log->who = who;
  log->by = std::make_shared<const DeclaredBy>(
      DeclaredBy{declaration.name, who.container_id, who.container_name});
  scanner_.drop(*log);
  log->fs = std::make_unique<ContainerFs>(std::move(fs), host_root_, mounts_);
  log->dirty = true;
  scan_now(*log);
  if (renamed) followed_.rename(*log);
}

void Discovery::ended(const std::string& container_id, int64_t died_ns) {
  for (DeclaredLog* log : logs_.of_container(container_id)) {
    log->tenant->rush(clock_.monotonic_ns());
    // One that has begun may have passed what was written last.
    scanner_.drop(*log);
    log->dirty = true;
    log->ending = true;
    log->died_ns = died_ns;
  }
  for (DeclaredLog* log : logs_.of_container(container_id)) scan_now(*log);
}

// A slice of a scan, and what waits for its completion.
void Discovery::scan(DeclaredLog& log) {
  const size_t steps = std::min(limits::kTenantSliceSteps, turn_steps_);
  Slice slice(clock_, limits::kTenantSliceNs, steps);
  const bool is_complete = scanner_.scan(log, slice);
  if (is_complete && log.waits) make_room(log);
  if (!is_complete || !log.ending) return;
  log.ended = true;
  touched_.insert(log.sources.begin(), log.sources.end());
  log.ending = false;
  followed_.end(log);
}

// Files of `log` wait: those that were not written to for longest are closed, first those of its
// own tenant. Its lane ships what is unread of them before it lets go.
void Discovery::make_room(DeclaredLog& log) {
  if (!log.no_descriptor && !followed_.is_full(log) && !followed_.is_full()) return;
  const size_t leaving = followed_.leaving();
  if (log.unopened <= leaving) return;
  const size_t wanted = std::min(log.unopened - leaving, limits::kRestedAtOnce);
  const int64_t before_ns = clock_.monotonic_ns() - limits::kRestNs;
  std::vector<std::pair<int64_t, SourceId>> idle;
  const auto gather = [&](bool of_all) {
    for (const auto& [id, source] : known_.all()) {
      const bool is_own = of_all || source.logs.contains(&log) || source.tenant == log.tenant;
      if (is_own && source.is_followed() && source.touched_ns < before_ns) {
        idle.emplace_back(source.touched_ns, id);
      }
    }
  };
  gather(false);
  if (idle.empty() && (log.no_descriptor || followed_.is_full())) gather(true);
  // There may be very many of them, of which few are wanted.
  std::ranges::make_heap(idle, std::greater());
  for (size_t rested = 0; rested < wanted && !idle.empty(); idle.pop_back()) {
    std::ranges::pop_heap(idle, std::greater());
    rested += followed_.rest(idle.back().second) ? 1 : 0;
  }
}

void Discovery::scan_now(DeclaredLog& log) {
  logs_.scan_now(log, [this](DeclaredLog& each) { scan(each); });
}

void Discovery::revived(const std::string& container_id) {
  for (DeclaredLog* log : logs_.of_container(container_id)) {
    log->ending = false;
    if (std::exchange(log->ended, false)) followed_.revive(*log);
  }
}

void Discovery::gone(const std::string& container_id) {
  for (DeclaredLog* log : logs_.of_container(container_id)) remove(*log);
}

void Discovery::remove(DeclaredLog& log) {
  if (log.waits) {
    refusals_.note(log, "files", log.unopened,
                   "it went away before there was room for all of its files");
  } else if (log.scanning || log.ending || !log.scanned) {
    refusals_.note(log, "time", 0,
                   "it went away before its files were all found: there were too many for the time "
                   "that its scans may take");
  }
  scanner_.drop(log);
  for (const SourceId id : log.resting) {
    KnownSource* const source = known_.find(id);
    if (source == nullptr || source->is_followed()) continue;
    known_.uncount(*source);
    source->rested.reset();
  }
  log.tenant->watches -= log.watches;
  names_.unwatch(log);
  followed_.leave(log);
  auto left = logs_.take(log);
  if (copies_.is_asked(*left)) departed_.push_back(std::move(left));
}

void Discovery::look_for_vanished() {
  all_declared_ = true;
  post_vanished(limits::kVanishedLooksFirst);
}

void Discovery::post_vanished(size_t files_max) {
  for (auto& spec : vanished_.look(files_max)) {
    const LaneId lane = spec->lane;
    post_(lane, SourceVanished{std::move(spec)});
  }
}

void Discovery::look_for_copy(SourceId id) {
  const KnownSource* source = known_.find(id);
  if (source == nullptr || !source->is_followed()) return;
  CopiesFound copies{id, {}};
  for (const auto& directory : names_.directories_of(source->file_name(), id)) {
    // The rotator may be renaming them.
    for (int look = 0; look < limits::kListingsMax; ++look) {
      auto files = open_copies(*source, *directory);
      if (!files) continue;
      std::ranges::move(*files, std::back_inserter(copies.files));
      break;
    }
  }
  post_(source->lane, std::move(copies));
}

// Empty: one of them has another name by now.
std::optional<std::vector<std::shared_ptr<const OpenFile>>> Discovery::open_copies(
    const KnownSource& source, const Fd& directory) const {
  const auto found = rotation_.copies_of(source, directory);
  if (!found) return std::nullopt;
  std::vector<std::shared_ptr<const OpenFile>> files;
  for (const NamedFile& each : *found) {
    const auto& identity = each.facts.identity;
    auto fd = open_found(directory, each.file_name, identity);
    if (!fd && fd.error().code == ErrorCode::kNotFound) return std::nullopt;
    const auto compression = fd ? compression_of(*fd, each.file_name) : std::nullopt;
    if (!compression) continue;
    files.push_back(std::make_shared<OpenFile>(
        OpenFile{.fd = std::move(*fd), .identity = identity, .compression = *compression}));
  }
  return files;
}

void Discovery::copy_judged(const CopyJudged& judged) {
  const auto own = copies_.answer(judged, clock_.monotonic_ns());
  if (own) scanner_.follow(*own);
  std::erase_if(departed_, [&](const std::unique_ptr<DeclaredLog>& log) {
    if (own && own->log == log.get()) followed_.leave(*log);
    return !copies_.is_asked(*log);
  });
}

void Discovery::on_event(const DirectoryEvent& event) {
  if (event.kind != DirectoryEvent::Kind::kOverflow) {
    for (DeclaredLog* log : names_.on_event(event)) log->dirty = true;
    return;
  }
  spdlog::warn(
      "inotify lost events; all logs are scanned again and nothing is lost. If this repeats, raise "
      "fs.inotify.max_queued_events.");
  logs_.mark_all_dirty();
  names_.overflowed();
  for (auto& [id, source] : known_.all()) {
    source.is_watched = false;
    if (source.is_followed()) touched_.insert(id);
  }
}

int64_t Discovery::settle() {
  const Slice turn(clock_, limits::kTurnNs, turn_steps_);
  const int64_t next = logs_.scan_due([this](DeclaredLog& log) { scan(log); }, turn);
  touched_.merge(names_.take_touched());
  std::map<LaneId, SourcesTouched> messages;
  const int64_t lively_until = clock_.monotonic_ns() + limits::kLivelyNs;
  for (const SourceId id : std::exchange(touched_, {})) {
    KnownSource* const source = known_.find(id);
    if (source == nullptr) continue;
    source->touched_ns = lively_until - limits::kLivelyNs;
    if (source->rested) logs_.mark_resting_dirty(id);
    held_.keep_lively(id, lively_until);
    messages[source->lane].sources.insert(id);
  }
  for (auto& [lane, message] : messages) post_(lane, std::move(message));
  return next;
}

void Discovery::sweep() {
  const int64_t now = clock_.monotonic_ns();
  const Swept swept = held_.sweep(now);
  touched_.insert(swept.resized.begin(), swept.resized.end());
  for (const SourceId id : swept.dead) {
    // A file that nobody has decided about yet may be the next one of its log.
    const auto is_undecided = [](const auto& log) {
      return log.first->undecided || log.first->dirty;
    };
    if (std::ranges::none_of(known_.at(id).logs, is_undecided)) followed_.lose(id);
  }
  for (const OverBudget& file : held_.over_budget()) {
    post_(file.lane, FileGivenUp{file.source, file.file});
  }
  // Perhaps an event was lost, or could not come.
  PathCheck check(host_root_, mounts_);
  const auto look_again = [this](const std::vector<DeclaredLog*>& logs) {
    for (DeclaredLog* log : logs) {
      log->dirty = true;
      for (const SourceId id : log->sources) known_.at(id).is_watched = false;
    }
  };
  look_again(names_.changed());
  look_again(names_.displaced(check));
  // No event tells of a copy that grows.
  const bool is_round = ++sweeps_ % limits::kSweepTurns == 0;
  if (is_round && copies_.any()) logs_.mark_all_dirty();
  // Events do not report every change of these logs: their scan found no directory yet, or a watch
  // or a descriptor was missing.
  for (DeclaredLog* log : logs_.unwatched()) {
    log->dirty = true;
    for (const SourceId id : log->sources) held_.keep_lively(id, now);
  }
  if (is_round) logs_.mark_resting_dirty({});
  if (all_declared_) post_vanished(limits::kVanishedLooksMax);
}

std::vector<std::string> Discovery::missed() const {
  std::vector<std::string> sentences;
  logs_.for_each([&](const DeclaredLog& log) {
    if (log.lacks_files()) {
      sentences.push_back(
          log.title() + ": files that cannot be opened (see above); nothing was shipped of them.");
    } else if (log.who.container_id.empty() && !log.matched) {
      sentences.push_back(log.title() + ": no file matches " + log.declaration->path +
                          "; nothing was shipped of it.");
    }
  });
  return sentences;
}

size_t Discovery::sources() const {
  return static_cast<size_t>(std::ranges::count_if(
      known_.all(), [](const auto& each) { return each.second.is_followed(); }));
}

}  // namespace longshore::agent
