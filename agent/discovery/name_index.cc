#include "agent/discovery/name_index.h"

#include <sys/stat.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "checkpoint/file_identity.h"

namespace longshore::agent {
namespace {

int64_t changed_ns(const Fd& directory) {
  struct stat stat {};
  if (::fstat(directory.get(), &stat) != 0) return -1;
  return int64_t{stat.st_ctim.tv_sec} * 1'000'000'000 + stat.st_ctim.tv_nsec;
}

Error no_room() {
  return {ErrorCode::kFull,
          "no further directories are watched, for this container or at all. Changes there are "
          "found by the sweep, seconds later."};
}

}  // namespace

WatchOutcome NameIndex::watch(DeclaredLog& log, const std::vector<WatchDir>& directories,
                              size_t room) {
  WatchOutcome outcome;
  std::set<int> now;
  for (const WatchDir& each : directories) {
    if (now.size() == room) {
      outcome.refused.push_back({each.host_path, no_room()});
      break;
    }
    auto watch = watcher_.watch(*each.directory);
    if (!watch) {
      outcome.refused.push_back({each.host_path, watch.error()});
      continue;
    }
    Directory& directory = directories_[*watch];
    if (directory.fd == nullptr) {
      directory.fd = each.directory;
      directory.identity = each.identity;
      outcome.any_new = true;
    }
    directory.host_path = each.host_path;
    directory.changed_ns = changed_ns(*directory.fd);
    directory.logs.insert(&log);
    if (directory.names.size() + directory.log_names.size() > directory.names_max) {
      forget_names(directory);
    }
    now.insert(*watch);
    outcome.watches[each.directory.get()] = *watch;
  }
  for (const int before : std::exchange(watches_[&log], now)) {
    if (!now.contains(before)) leave(log, before);
  }
  return outcome;
}

void NameIndex::unwatch(DeclaredLog& log) {
  const auto of_log = watches_.extract(&log);
  if (of_log.empty()) return;
  for (const int watch : of_log.mapped()) leave(log, watch);
}

void NameIndex::leave(DeclaredLog& log, int watch) {
  const auto directory = directories_.find(watch);
  if (directory == directories_.end()) return;
  directory->second.logs.erase(&log);
  if (!directory->second.logs.empty()) return;
  watcher_.unwatch(watch);
  directories_.erase(directory);
}

void NameIndex::add(int watch, const std::string& file_name, SourceId source) {
  directories_.at(watch).names[file_name].insert(source);
}

void NameIndex::saw(int watch, const std::string& file_name, SourceId source,
                    const checkpoint::FileIdentity& file) {
  directories_.at(watch).log_names[file_name][source] = {file, 0};
}

const NameIndex::LogName* NameIndex::find(int watch, const std::string& file_name,
                                          SourceId source) const {
  const auto directory = directories_.find(watch);
  if (directory == directories_.end()) return nullptr;
  const auto named = directory->second.log_names.find(file_name);
  if (named == directory->second.log_names.end()) return nullptr;
  const auto log = named->second.find(source);
  return log == named->second.end() ? nullptr : &log->second;
}

uint32_t NameIndex::arrivals(int watch, const std::string& file_name, SourceId source) const {
  const LogName* const log = find(watch, file_name, source);
  return log == nullptr ? 0 : log->arrivals;
}

// The event of a file that a scan has seen already may come late.
void NameIndex::count_arrival(Directory& directory, const std::string& name) {
  const auto named = directory.log_names.find(name);
  if (named == directory.log_names.end()) return;
  const auto facts = checkpoint::file_facts_at(directory.fd->get(), name.c_str());
  for (auto& [source, log] : named->second) {
    if (!facts || facts->identity != log.file) ++log.arrivals;
  }
}

// Any number of files may have come and gone.
void NameIndex::events_lost(Directory& directory) {
  for (auto& [name, logs] : directory.log_names) {
    for (auto& [source, log] : logs) log.arrivals += 2;
  }
}

void NameIndex::overflowed() {
  for (auto& [watch, directory] : directories_) events_lost(directory);
}

std::vector<std::shared_ptr<Fd>> NameIndex::directories_of(const std::string& file_name,
                                                           SourceId source) const {
  std::vector<std::shared_ptr<Fd>> found;
  for (const auto& [watch, directory] : directories_) {
    const auto named = directory.names.find(file_name);
    if (named == directory.names.end() || !named->second.contains(source)) continue;
    found.push_back(directory.fd);
  }
  return found;
}

std::vector<DeclaredLog*> NameIndex::on_event(const DirectoryEvent& event) {
  const auto found = directories_.find(event.watch);
  if (found == directories_.end()) return {};
  Directory& directory = found->second;
  if (event.kind == DirectoryEvent::Kind::kGrown) {
    const auto named = directory.names.find(std::string(event.name));
    if (named != directory.names.end()) touch(named->second);
    return {};
  }
  const std::vector<DeclaredLog*> logs(directory.logs.begin(), directory.logs.end());
  if (event.kind == DirectoryEvent::Kind::kUnwatched) {
    for (const DeclaredLog* log : logs) watches_[log].erase(event.watch);
    directories_.erase(found);
  } else {
    rename_within(directory, event);
  }
  return logs;
}

// A name appeared, vanished or was renamed.
void NameIndex::rename_within(Directory& directory, const DirectoryEvent& event) {
  const std::string name(event.name);
  if (event.arrived) count_arrival(directory, name);
  const auto named = directory.names.find(name);
  if (named != directory.names.end()) touch(named->second);
  if (!event.arrived && event.cookie == 0) {
    if (named != directory.names.end()) directory.names.erase(named);
  } else if (!event.arrived) {
    directory.moved_name = name;
    directory.moved_cookie = event.cookie;
  } else if (event.cookie != 0 && event.cookie == directory.moved_cookie) {
    // A rename within the directory: its writers go on writing under the new name. Writes before
    // the rename come under the old name, perhaps only now.
    const auto old = directory.names.extract(directory.moved_name);
    if (old.empty()) return;
    touch(old.mapped());
    directory.names[name] = old.mapped();
  }
}

std::vector<DeclaredLog*> NameIndex::changed() {
  std::set<DeclaredLog*> logs;
  for (auto& [watch, directory] : directories_) {
    const int64_t changed = changed_ns(*directory.fd);
    if (changed == std::exchange(directory.changed_ns, changed)) continue;
    logs.insert(directory.logs.begin(), directory.logs.end());
    events_lost(directory);
  }
  return {logs.begin(), logs.end()};
}

std::vector<DeclaredLog*> NameIndex::displaced(PathCheck& check) {
  const size_t turns = directories_.size() / limits::kPathChecksMax + 1;
  const size_t turn = check_turn_++ % turns;
  const size_t buckets = directories_.bucket_count();
  std::vector<const Directory*> due;
  for (size_t bucket = buckets * turn / turns; bucket < buckets * (turn + 1) / turns; ++bucket) {
    for (auto at = directories_.begin(bucket); at != directories_.end(bucket); ++at) {
      // One that is reached through a live process stays with it.
      if (is_plain_path(at->second.host_path)) due.push_back(&at->second);
    }
  }
  std::ranges::sort(due, {},
                    [](const Directory* each) { return std::string_view(each->host_path); });
  std::set<DeclaredLog*> logs;
  for (const Directory* each : due) {
    if (!check.leads_to(each->host_path, each->identity)) {
      logs.insert(each->logs.begin(), each->logs.end());
    }
  }
  return {logs.begin(), logs.end()};
}

// A file that is moved to another directory leaves its name here, and so does a deletion whose
// event was lost.
void NameIndex::forget_names(Directory& directory) {
  const auto is_gone = [&](const std::string& name) {
    const auto facts = checkpoint::file_facts_at(directory.fd->get(), name.c_str());
    return !facts && facts.error().code == ErrorCode::kNotFound;
  };
  std::erase_if(directory.names, [&](const auto& named) {
    if (!is_gone(named.first)) return false;
    touch(named.second);
    return true;
  });
  std::erase_if(directory.log_names, [&](const auto& named) { return is_gone(named.first); });
  const size_t names = directory.names.size() + directory.log_names.size();
  directory.names_max = 2 * std::max(names, limits::kNamesKnown);
}

void NameIndex::touch(const std::set<SourceId>& sources) {
  touched_.insert(sources.begin(), sources.end());
}

}  // namespace longshore::agent
