#include "agent/discovery/discovery.h"

#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <algorithm>
#include <functional>

#include "config/limits.h"

namespace longshore::agent {
namespace {

constexpr int kScanShare = 4;  // A follower looks at most a fifth of the time.

int64_t changed_ns(const Fd& directory) {
  struct stat stat {};
  if (::fstat(directory.get(), &stat) != 0) return -1;
  return int64_t{stat.st_ctim.tv_sec} * 1'000'000'000 + stat.st_ctim.tv_nsec;
}

// What a file that has no name any more still takes of the disk.
uint64_t deleted_bytes(const struct stat& stat) {
  return stat.st_nlink == 0 ? static_cast<uint64_t>(stat.st_blocks) * 512 : 0;
}

}  // namespace

Discovery::Discovery(DiscoveryOptions options, const HostMounts& mounts, DirectoryWatcher& watcher,
                     PostToLane post, const Clock& clock)
    : options_(std::move(options)),
      mounts_(mounts),
      watcher_(watcher),
      post_(std::move(post)),
      clock_(clock) {}

void Discovery::remember(const std::vector<checkpoint::StoredSource>& stored) {
  for (const auto& [row, state] : stored) {
    Lineage& lineage = lineages_[row.id];
    lineage.lane = row.lane;
    lineage.host_path = row.host_path;
    lineage.by = std::make_shared<const DeclaredBy>(
        DeclaredBy{row.name, row.container_id, row.container_name});
    lineage.gone = row.gone_ns != 0;
    lineage.newest = state.file;
    lineage.identities = state.closed;
    if (state.file != checkpoint::FileIdentity{}) lineage.identities.push_back(state.file);
    const Stream stream = row.stream == "stdout"   ? Stream::kStdout
                          : row.stream == "stderr" ? Stream::kStderr
                                                   : Stream::kFile;
    lineage.stream = stream;
    for (const auto& identity : lineage.identities) identities_[{identity, stream}] = row.id;
    by_directory_[row.host_path.substr(0, row.host_path.rfind('/'))].insert(row.id);
    declared_before_.insert({row.container_id, row.name});
  }
}

void Discovery::declare(const Declarer& who, const Declaration& declaration, FsSpec fs) {
  auto& slot = followers_[{who.container_id, declaration.name}];
  if (slot != nullptr && *slot->declaration != declaration) {
    // The container was made anew under its id, or its labels changed: start over with it.
    forget_follower(*slot);
    slot = nullptr;
  }
  if (slot == nullptr) {
    slot = std::make_unique<Follower>();
    slot->declaration = std::make_shared<const Declaration>(declaration);
  }
  const bool renamed = slot->who.container_name != who.container_name && slot->scanned;
  slot->who = who;
  slot->as = std::make_shared<const DeclaredBy>(
      DeclaredBy{declaration.name, who.container_id, who.container_name});
  slot->fs = std::make_unique<ContainerFs>(std::move(fs), options_.host_root, mounts_);
  slot->dirty = true;
  slot->next_scan_ns = 0;
  scan(*slot);
  if (!renamed) return;
  for (const SourceId id : slot->sources) {
    Lineage& lineage = lineages_[id];
    if (lineage.spec == nullptr || lineage.spec->container_id != who.container_id) continue;
    auto spec = std::make_shared<SourceSpec>(*lineage.spec);
    spec->container_name = who.container_name;
    lineage.spec = spec;
    lineage.by = slot->as;
    post_(lineage.lane, SourceOpened{lineage.spec, nullptr, 0, false});
  }
}

void Discovery::ended(const std::string& container_id) {
  for (auto& [key, follower] : followers_) {
    if (key.first != container_id) continue;
    scan(*follower);
    follower->ended = true;
    for (const SourceId id : follower->sources) {
      touch(id);
      end_if_unwritten(id);
    }
  }
}

void Discovery::end_if_unwritten(SourceId id) {
  Lineage& lineage = lineages_[id];
  const auto& all = lineage.followers;
  if (!std::all_of(all.begin(), all.end(), [](const Follower* each) { return each->ended; })) {
    return;
  }
  post_(lineage.lane, SourceEnded{id});
}

void Discovery::revived(const std::string& container_id) {
  for (auto& [key, follower] : followers_) {
    if (key.first != container_id || !follower->ended) continue;
    follower->ended = false;
    for (const SourceId id : follower->sources) {
      const Lineage& lineage = lineages_[id];
      if (lineage.spec != nullptr)
        post_(lineage.lane, SourceOpened{lineage.spec, nullptr, 0, false});
    }
  }
}

void Discovery::gone(const std::string& container_id) {
  for (auto it = followers_.begin(); it != followers_.end();) {
    if (it->first.first != container_id) {
      ++it;
      continue;
    }
    forget_follower(*it->second);
    it = followers_.erase(it);
  }
}

void Discovery::forget_follower(Follower& follower) {
  for (const int watch : follower.watches) {
    const auto found = directories_.find(watch);
    if (found == directories_.end()) continue;
    found->second.followers.erase(&follower);
    if (!found->second.followers.empty()) continue;
    watcher_.unwatch(watch);
    directories_.erase(found);
  }
  follower.watches.clear();
  for (const SourceId id : follower.sources) {
    const auto found = lineages_.find(id);
    if (found == lineages_.end()) continue;
    found->second.followers.erase(&follower);
    if (found->second.followers.empty()) release(id, found->second);
  }
  follower.sources.clear();
}

// The lane ships what is open of it and lets go. Its lineage is remembered while its file exists.
void Discovery::release(SourceId id, Lineage& lineage) {
  bool deleted = false;
  if (const auto file = lineage.files.empty() ? nullptr : lineage.files.back().file.lock()) {
    const auto facts = checkpoint::file_facts(file->fd.get());
    deleted = facts && facts.value().links == 0;
  }
  post_(lineage.lane, SourceReleased{id, deleted});
  for (HeldFile& held : lineage.files) {
    struct stat stat {};
    const auto file = held.file.lock();
    if (!deleted || file == nullptr || ::fstat(file->fd.get(), &stat) != 0) continue;
    held.deleted_bytes = deleted_bytes(stat);
    deleted_.push_back({id, lineage.lane, std::move(held)});
  }
  lineage.spec = nullptr;
  lineage.files.clear();
  lineage.next_look_ns = clock_.monotonic_ns() + limits::kVanishedLookNs;
  if (!deleted) return;
  for (const auto& identity : lineage.identities) identities_.erase({identity, lineage.stream});
  const std::string directory = lineage.host_path.substr(0, lineage.host_path.rfind('/'));
  if (const auto in = by_directory_.find(directory); in != by_directory_.end()) {
    in->second.erase(id);
    if (in->second.empty()) by_directory_.erase(in);
  }
  touched_.erase(id);
  lively_.erase(id);
  lineages_.erase(id);
}

void Discovery::on_event(const DirectoryEvent& event) {
  if (event.kind == DirectoryEvent::Kind::kOverflow) {
    spdlog::warn(
        "inotify lost events (fs.inotify.max_queued_events is too small for this host); "
        "looking at everything again. Nothing is lost.");
    for (auto& [key, follower] : followers_) follower->dirty = true;
    for (auto& [id, lineage] : lineages_) {
      if (lineage.spec != nullptr) touch(id);
    }
    return;
  }
  const auto found = directories_.find(event.watch);
  if (found == directories_.end()) return;
  WatchedDirectory& directory = found->second;
  const std::string name(event.name);
  const auto named = directory.names.find(name);
  if (event.kind == DirectoryEvent::Kind::kGrown) {
    if (named != directory.names.end()) touched_.insert(named->second.begin(), named->second.end());
    return;
  }
  for (Follower* follower : directory.followers) follower->dirty = true;
  if (event.kind == DirectoryEvent::Kind::kUnwatched) {
    for (Follower* follower : directory.followers) follower->watches.erase(event.watch);
    directories_.erase(found);
    return;
  }
  if (!event.arrived && event.cookie == 0) {
    if (named != directory.names.end()) {
      touched_.insert(named->second.begin(), named->second.end());
      directory.names.erase(named);
    }
    return;
  }
  if (!event.arrived) {
    directory.moved_name = name;
    directory.moved_cookie = event.cookie;
  } else if (event.cookie != 0 && event.cookie == directory.moved_cookie) {
    // A rename within the directory: its writers go on writing under the new name.
    const auto old = directory.names.extract(directory.moved_name);
    if (!old.empty()) {
      // Writes before the rename are told under the old name, perhaps only now.
      touched_.insert(old.mapped().begin(), old.mapped().end());
      directory.names[name] = old.mapped();
    }
  }
  if (named != directory.names.end()) touched_.insert(named->second.begin(), named->second.end());
}

int64_t Discovery::settle() {
  int64_t next = 0;
  for (auto& [key, follower] : followers_) {
    if (!follower->dirty) continue;
    if (follower->next_scan_ns <= clock_.monotonic_ns()) {
      scan(*follower);
    } else if (next == 0 || follower->next_scan_ns < next) {
      next = follower->next_scan_ns;
    }
  }
  std::map<LaneId, SourcesTouched> messages;
  const int64_t lively_until = clock_.monotonic_ns() + kLivelyNs;
  for (const SourceId id : touched_) {
    const auto found = lineages_.find(id);
    if (found == lineages_.end()) continue;
    lively_[id] = lively_until;
    messages[found->second.lane].sources.push_back(id);
  }
  touched_.clear();
  for (auto& [lane, message] : messages) post_(lane, std::move(message));
  return next;
}

void Discovery::scan(Follower& follower) {
  const int64_t began = clock_.monotonic_ns();
  follower.dirty = false;
  const Declaration& declaration = *follower.declaration;
  const ScanResult result = follower.fs->scan(declaration.path, declaration.exclude);
  watch_directories(follower, result);
  std::unordered_set<std::string_view> paths;
  for (const FoundFile& file : result.files) paths.insert(file.host_path);
  for (const FoundFile& file : result.files) observe(follower, file, paths);
  resume_renamed(follower, result);
  open_rotated_away(follower, result);
  forget_generations(follower, result);
  say_problems(follower, result);
  scan_watches_.clear();
  looks_.clear();
  follower.scanned = true;
  const int64_t now = clock_.monotonic_ns();
  follower.next_scan_ns = now + (now - began) * kScanShare;
}

void Discovery::watch_directories(Follower& follower, const ScanResult& result) {
  std::set<int> watches;
  scan_watches_.clear();
  follower.is_watched = !result.directories.empty();
  for (const WatchDir& each : result.directories) {
    const auto watch = watcher_.watch(*each.directory);
    if (!watch) {
      follower.is_watched = false;
      if (follower.problems_said.insert(watch.error().message).second) {
        spdlog::warn("cannot watch {}: {}", each.host_path, watch.error().message);
      }
      continue;
    }
    WatchedDirectory& directory = directories_[watch.value()];
    if (directory.directory == nullptr) {
      directory.directory = each.directory;
      // It may have changed between the look and the watch: look once more.
      follower.dirty = true;
    }
    directory.changed_ns = changed_ns(*directory.directory);
    directory.followers.insert(&follower);
    if (directory.names.size() > directory.names_max) forget_names(directory);
    watches.insert(watch.value());
    scan_watches_[each.directory.get()] = watch.value();
  }
  for (const int old : follower.watches) {
    if (watches.contains(old)) continue;
    const auto found = directories_.find(old);
    if (found == directories_.end()) continue;
    found->second.followers.erase(&follower);
    if (!found->second.followers.empty()) continue;
    watcher_.unwatch(old);
    directories_.erase(found);
  }
  follower.watches = std::move(watches);
}

// Files that were moved to another directory leave their names behind, and so does a deletion whose
// event was lost.
void Discovery::forget_names(WatchedDirectory& directory) {
  std::erase_if(directory.names, [&](const auto& named) {
    const auto facts = checkpoint::file_facts_at(directory.directory->get(), named.first.c_str());
    if (facts || facts.error().code != ErrorCode::kNotFound) return false;
    touched_.insert(named.second.begin(), named.second.end());
    return true;
  });
  directory.names_max = 2 * std::max(directory.names.size(), kNamesKnown);
}

void Discovery::say_problems(Follower& follower, const ScanResult& result) {
  const std::string who =
      follower.who.container_id.empty() ? "host" : "container " + follower.who.container_name;
  for (const std::string& problem : result.problems) {
    if (follower.problems_said.size() > 100) return;
    if (!follower.problems_said.insert(problem).second) continue;
    spdlog::warn("{}, {}: {}", who, follower.declaration->name, problem);
  }
  if (result.truncated && follower.problems_said.insert("truncated").second) {
    spdlog::warn(
        "{}, {}: more files match than one declaration may have; the rest is not collected", who,
        follower.declaration->name);
  }
}

void Discovery::sweep() {
  sweep_files();
  keep_deleted_budget();
  sweep_directories();
  if (everybody_declared_) look_for_vanished(limits::kVanishedLooksMax);
}

// Files that were opened or written to lately, or are deleted, are looked at each time, of the
// others a part: ten thousand of them are not in any cache.
void Discovery::sweep_files() {
  const int64_t now = clock_.monotonic_ns();
  std::vector<SourceId> dead;
  std::erase_if(lively_, [&](const auto& each) {
    const auto found = lineages_.find(each.first);
    if (found == lineages_.end()) return true;
    return !sweep_files_of(each.first, found->second, dead) && each.second <= now;
  });
  const size_t buckets = lineages_.bucket_count();
  const size_t from = buckets * sweep_turn_ / kSweepTurns;
  const size_t to = buckets * (sweep_turn_ + 1) / kSweepTurns;
  sweep_turn_ = (sweep_turn_ + 1) % kSweepTurns;
  for (size_t bucket = from; bucket < to; ++bucket) {
    for (auto it = lineages_.begin(bucket); it != lineages_.end(bucket); ++it) {
      if (lively_.contains(it->first)) continue;
      if (sweep_files_of(it->first, it->second, dead)) lively_[it->first] = now;
    }
  }
  for (const SourceId id : dead) {
    Lineage& lineage = lineages_[id];
    for (Follower* follower : lineage.followers) {
      follower->sources.erase(id);
      follower->let_go.insert(id);
    }
    release(id, lineage);
  }
}

// Whether one of its files is deleted. `dead` gets it when nobody writes to the last one any more.
bool Discovery::sweep_files_of(SourceId id, Lineage& lineage, std::vector<SourceId>& dead) {
  bool deleted = false;
  std::erase_if(lineage.files, [](const HeldFile& held) { return held.file.expired(); });
  for (HeldFile& held : lineage.files) {
    const auto file = held.file.lock();
    if (file == nullptr) continue;
    struct stat stat {};
    if (::fstat(file->fd.get(), &stat) != 0) continue;
    held.deleted_bytes = deleted_bytes(stat);
    deleted = deleted || stat.st_nlink == 0;
    const auto size = static_cast<uint64_t>(stat.st_size);
    if (size != std::exchange(held.size_bytes, size)) touch(id);
    const bool newest = &held == &lineage.files.back();
    if (newest && stat.st_nlink == 0 && !checkpoint::has_writer(file->fd.get())) dead.push_back(id);
  }
  return deleted;
}

// A deleted file takes its place on the disk until its descriptor is closed, and while Kafka is
// away its descriptor is not. The largest are given up first.
void Discovery::keep_deleted_budget() {
  struct Taken {
    uint64_t bytes;
    SourceId source;
    LaneId lane;
    HeldFile* held;
    checkpoint::FileIdentity identity;
  };
  std::vector<Taken> all;
  uint64_t total = 0;
  const auto count = [&](SourceId source, LaneId lane, HeldFile& held) {
    if (held.given_up || held.deleted_bytes == 0) return;
    const auto file = held.file.lock();
    if (file == nullptr) return;
    all.push_back({held.deleted_bytes, source, lane, &held, file->identity});
    total += held.deleted_bytes;
  };
  std::erase_if(deleted_, [](const DeletedFile& each) { return each.held.file.expired(); });
  for (DeletedFile& each : deleted_) count(each.source, each.lane, each.held);
  for (const auto& [id, until] : lively_) {
    const auto found = lineages_.find(id);
    if (found == lineages_.end()) continue;
    for (HeldFile& held : found->second.files) count(id, found->second.lane, held);
  }
  if (total <= options_.deleted_bytes_max) return;
  std::ranges::sort(all, std::greater<>(), &Taken::bytes);
  for (const Taken& taken : all) {
    if (total <= options_.deleted_bytes_max) return;
    total -= taken.bytes;
    taken.held->given_up = true;
    post_(taken.lane, FileGivenUp{taken.source, taken.identity});
  }
}

void Discovery::sweep_directories() {
  for (auto& [watch, directory] : directories_) {
    const int64_t changed = changed_ns(*directory.directory);
    if (changed == std::exchange(directory.changed_ns, changed)) continue;
    for (Follower* follower : directory.followers) follower->dirty = true;
  }
  // Where events do not tell everything (a driver that tells nothing yet, a full watch table), too.
  const int64_t now = clock_.monotonic_ns();
  for (auto& [key, follower] : followers_) {
    if (follower->is_watched) continue;
    follower->dirty = true;
    for (const SourceId id : follower->sources) lively_[id] = now;
  }
}

size_t Discovery::sources() const {
  return static_cast<size_t>(
      std::count_if(lineages_.begin(), lineages_.end(),
                    [](const auto& each) { return each.second.spec != nullptr; }));
}

}  // namespace longshore::agent
