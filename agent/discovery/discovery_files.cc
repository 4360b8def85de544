#include <spdlog/spdlog.h>

#include <algorithm>
#include <set>

#include "agent/discovery/discovery.h"
#include "agent/files/host_dir.h"
#include "config/glob.h"

namespace longshore::agent {
namespace {

constexpr int64_t kFileClockNs = 20'000'000;  // File times are stamped by a clock this coarse.

std::string last_component(const std::string& path) { return path.substr(path.rfind('/') + 1); }

std::string directory_of(const std::string& host_path) {
  return host_path.substr(0, host_path.rfind('/'));
}

bool is_excluded(const Declaration& declaration, const std::string& container_path) {
  return !declaration.exclude.empty() && path_matches(declaration.exclude, container_path);
}

}  // namespace

// One matching file: a known generation, a new generation of a known lineage, or a new source.
void Discovery::observe(Follower& follower, const FoundFile& file,
                        const std::unordered_set<std::string_view>& paths) {
  const Stream stream = follower.declaration->stream;
  if (is_compressed(file.file_name)) return;
  if (const auto base = rotated_base(file.file_name)) {
    // Where the unrotated file is there or known, this one is a generation of it.
    const std::string base_path = directory_of(file.host_path) + "/" + *base;
    if (lineages_.contains(make_source_id(options_.host_id, base_path, stream_name(stream))) ||
        paths.contains(base_path)) {
      return;
    }
  }
  const SourceId own = make_source_id(options_.host_id, file.host_path, stream_name(stream));
  SourceId id = own;
  const auto known = identities_.find({file.facts.identity, stream});
  if (known != identities_.end()) id = known->second;  // Renamed: still its old lineage.
  Lineage& lineage = lineages_[id];
  name_file(file, id);
  follower.sources.insert(id);
  const bool joins = lineage.followers.insert(&follower).second;
  if (lineage.spec != nullptr) {
    if (joins && lineage.followers.size() > 1) {
      spdlog::info(
          "{}: {} is already collected by {} of {}", follower.who.container_name, file.host_path,
          lineage.spec->declaration->name,
          lineage.spec->container_name.empty() ? "the host" : lineage.spec->container_name);
    }
    if (id == own && file.facts.identity != lineage.newest) follow_on(follower, file, id, false);
    return;
  }
  adopt(file, id, stream);
  if (lineage.newest != checkpoint::FileIdentity{}) {
    follow_on(follower, file, id, true);
  } else {
    open_first(follower, file, id);
  }
}

// A lineage that nobody knew of.
void Discovery::adopt(const FoundFile& file, SourceId id, Stream stream) {
  Lineage& lineage = lineages_[id];
  if (!lineage.host_path.empty()) return;
  lineage.host_path = file.host_path;
  lineage.stream = stream;
  lineage.lane = LaneId{static_cast<uint32_t>(id.value % options_.lanes)};
  by_directory_[directory_of(file.host_path)].insert(id);
}

// Opens what follows the newest known generation of a lineage, oldest first, the file that has the
// name last. `resuming`: that newest one is the checkpoint's and not open yet. Stops at the first
// file that cannot be had under the name it was just seen with: it was renamed meanwhile, so the
// directory is looked at again, and nothing behind it may come first.
void Discovery::follow_on(Follower& follower, const FoundFile& file, SourceId id, bool resuming) {
  Lineage& lineage = lineages_[id];
  const checkpoint::FileIdentity newest = lineage.newest;
  const Stream stream = follower.declaration->stream;
  const std::string base = lineage.host_path.substr(lineage.host_path.rfind('/') + 1);
  const auto settled = looks_[file.directory.get()].rotated(*file.directory, base);
  if (!settled) {
    follower.dirty = true;
    return;
  }
  const std::vector<Sibling>& siblings = *settled;
  const auto is_newest = [&](const Sibling& each) { return each.facts.identity == newest; };
  const auto is_known = [&](const Sibling& each) {
    return identities_.contains({each.facts.identity, stream});
  };
  auto from = std::find_if(siblings.begin(), siblings.end(), is_newest);
  bool unseen = false;
  if (from == siblings.end() && file.facts.identity != newest) {
    const auto renamed = looks_[file.directory.get()].find(*file.directory, newest);
    if (renamed && resuming && !open(follower, file, *renamed, id, {})) return;
    // Rotated away altogether: others may have come and gone behind it.
    unseen =
        !renamed && !siblings.empty() && std::none_of(siblings.begin(), siblings.end(), is_known);
    from = std::find_if(siblings.begin(), siblings.end(), [&](const Sibling& each) {
      return each.facts.identity.born_ns() >= newest.born_ns() && !is_known(each);
    });
  }
  bool own_opened = false;
  for (; from != siblings.end(); ++from) {
    if (is_known(*from) && !(resuming && is_newest(*from))) continue;
    if (!open(follower, file, *from, id, {.gap_before = std::exchange(unseen, false)})) return;
    own_opened = own_opened || from->facts.identity == file.facts.identity;
  }
  if (own_opened || (!resuming && lineage.newest == file.facts.identity)) return;
  open(follower, file, {file.file_name, file.facts}, id, {.gap_before = unseen});
}

// The newest of a lineage's rotated files if it came behind what is known of the lineage.
const Sibling* Discovery::youngest_since(const std::vector<Sibling>& siblings,
                                         const Lineage& lineage) const {
  if (siblings.empty()) return nullptr;
  const auto& identity = siblings.back().facts.identity;
  const bool is_later = identity.born_ns() >= lineage.newest.born_ns();
  return is_later && !identities_.contains({identity, lineage.stream}) ? &siblings.back() : nullptr;
}

// Lineages whose file was renamed while nobody looked and was not made anew: what is left unread of
// them is read under the new name, for who would collect the old one. If the file is gone, those
// that it was rotated through since may be there.
void Discovery::resume_renamed(Follower& follower, const ScanResult& result) {
  const Declaration& declaration = *follower.declaration;
  const std::string pattern = last_component(declaration.path);
  for (const WatchDir& directory : result.directories) {
    const auto in = by_directory_.find(directory.host_path);
    if (directory.container_path.empty() || in == by_directory_.end()) continue;
    const std::set<SourceId> ids = in->second;
    for (const SourceId id : ids) {
      Lineage& lineage = lineages_[id];
      if (lineage.spec != nullptr || lineage.newest == checkpoint::FileIdentity{}) continue;
      const std::string base = last_component(lineage.host_path);
      const std::string container_path = join_path(directory.container_path, base);
      if (lineage.stream != declaration.stream || !glob_match(pattern, base) ||
          is_excluded(declaration, container_path)) {
        continue;
      }
      DirectoryLook& look = looks_[directory.directory.get()];
      auto renamed = look.find(*directory.directory, lineage.newest);
      if (!renamed && !lineage.gone) {
        const auto siblings = look.rotated(*directory.directory, base);
        const Sibling* youngest = siblings ? youngest_since(*siblings, lineage) : nullptr;
        if (youngest != nullptr) renamed = *youngest;
      }
      // What has its name still is observed by whoever finds it there.
      if (!renamed || renamed->file_name == base) continue;
      const FoundFile where{.container_path = container_path,
                            .host_path = lineage.host_path,
                            .directory = directory.directory,
                            .file_name = renamed->file_name,
                            .facts = renamed->facts,
                            .image_bytes = 0};
      follower.sources.insert(id);
      lineage.followers.insert(&follower);
      follow_on(follower, where, id, true);
    }
  }
}

bool Discovery::open(Follower& follower, const FoundFile& where, const Sibling& sibling,
                     SourceId id, const Beginning& beginning) {
  auto fd = open_found(*where.directory, sibling.file_name, sibling.facts.identity);
  if (!fd && fd.error().code == ErrorCode::kFull) {
    if (follower.problems_said.insert(fd.error().message).second) {
      spdlog::error("cannot open {}: {}", where.host_path, fd.error().message);
    }
    follower.is_watched = false;  // The sweep looks whether there is room again.
    return false;
  }
  if (!fd) {
    // Gone or replaced between the look and the open: its directory has changed, so we look again.
    follower.dirty = true;
    return false;
  }
  Lineage& lineage = lineages_[id];
  const auto& identity = sibling.facts.identity;
  auto file = std::make_shared<OpenFile>(OpenFile{std::move(fd).value(), identity});
  if (lineage.spec == nullptr) {
    lineage.spec = make_spec(follower, where, id, lineage.lane);
    lineage.by = follower.as;
    lineage.gone = false;
    spdlog::info("collecting {} as {} of {} ({}) into lane {}", where.host_path,
                 follower.declaration->name,
                 follower.who.container_name.empty() ? "the host" : follower.who.container_name,
                 to_string(id), lineage.lane.value);
  }
  spdlog::debug("{}: generation {} (inode {}) of {}", to_string(id), sibling.file_name,
                identity.inode, where.host_path);
  lineage.newest = identity;
  if (identities_.emplace(IdentityKey{identity, follower.declaration->stream}, id).second) {
    lineage.identities.push_back(identity);
  }
  lineage.files.push_back({file, sibling.facts.size_bytes});
  lively_[id] = clock_.monotonic_ns() + kLivelyNs;
  name_file({.container_path = {},
             .host_path = {},
             .directory = where.directory,
             .file_name = sibling.file_name,
             .facts = sibling.facts,
             .image_bytes = 0},
            id);
  post_(lineage.lane,
        SourceOpened{lineage.spec, std::move(file), beginning.start_offset, beginning.gap_before});
  if (follower.ended) end_if_unwritten(id);
  return true;
}

// A source that was never seen. What it was rotated to belongs to it too where the declaration
// names those files, or where they were written to since an agent runs here: a container may write
// and rotate before anybody can look, and while no agent is up. Other rotated files are history,
// not collected.
void Discovery::open_first(Follower& follower, const FoundFile& file, SourceId id) {
  const uint64_t offset = first_offset(follower, file);
  const auto siblings = unread_siblings(follower, file, offset);
  if (!siblings) return;
  for (const Sibling& sibling : *siblings) {
    if (!open(follower, file, sibling, id, {})) return;
  }
  if (lineages_[id].newest == file.facts.identity) return;
  open(follower, file, {file.file_name, file.facts}, id, {.start_offset = offset});
}

// What `file` was rotated to and nobody has read, oldest first; empty: look again later.
std::optional<std::vector<Sibling>> Discovery::unread_siblings(Follower& follower,
                                                               const FoundFile& file,
                                                               uint64_t offset) {
  if (offset > 0) return std::vector<Sibling>();
  const int64_t since_ns = options_.alive_ns - kFileClockNs;
  const std::string pattern = last_component(follower.declaration->path);
  auto siblings =
      looks_[file.directory.get()].rotated(*file.directory, last_component(file.host_path));
  if (!siblings) {
    follower.dirty = true;
    return std::nullopt;
  }
  std::erase_if(*siblings, [&](const Sibling& each) {
    const bool named = glob_match(pattern, each.file_name);
    return (!named && each.facts.modified_ns < since_ns) ||
           identities_.contains({each.facts.identity, follower.declaration->stream});
  });
  return siblings;
}

// Logs that were rotated away before what was seen of them could be stored, or before anybody
// looked, and were not made anew: only rotated files are left of them.
void Discovery::open_rotated_away(Follower& follower, const ScanResult& result) {
  const Declaration& declaration = *follower.declaration;
  const std::string pattern = last_component(declaration.path);
  std::set<SourceId> still_there;
  for (const WatchDir& directory : result.directories) {
    if (directory.container_path.empty()) continue;
    for (const std::string& base : rotated_bases(*directory.directory)) {
      FoundFile file{.container_path = join_path(directory.container_path, base),
                     .host_path = join_path(directory.host_path, base),
                     .directory = directory.directory,
                     .file_name = base,
                     .facts = {},
                     .image_bytes = 0};
      if (is_excluded(declaration, file.container_path) || !glob_match(pattern, base)) continue;
      const SourceId id =
          make_source_id(options_.host_id, file.host_path, stream_name(declaration.stream));
      if (follower.let_go.contains(id)) still_there.insert(id);
      const auto known = lineages_.find(id);
      const bool is_new =
          known == lineages_.end() ||
          (known->second.spec == nullptr && known->second.newest == checkpoint::FileIdentity{});
      if (!is_new || follower.let_go.contains(id)) continue;
      const auto siblings = unread_siblings(follower, file, 0);
      if (!siblings || siblings->empty()) continue;
      file.facts = siblings->back().facts;
      if (first_offset(follower, file) > 0) continue;
      adopt(file, id, declaration.stream);
      follower.sources.insert(id);
      lineages_[id].followers.insert(&follower);
      for (const Sibling& sibling : *siblings) {
        if (!open(follower, file, sibling, id, {})) break;
      }
    }
  }
  follower.let_go = std::move(still_there);
}

// A log that is rotated each minute for years must not take memory for each of its files. Those
// whose file is nowhere any more are forgotten, oldest first, down to what a restart knows as well.
void Discovery::forget_generations(const Follower& follower, const ScanResult& result) {
  std::set<checkpoint::FileIdentity> on_disk;
  for (const SourceId id : follower.sources) {
    Lineage& lineage = lineages_.at(id);
    auto& all = lineage.identities;
    // Another follower may look at directories that this one does not.
    if (all.size() <= lineage.identities_max || lineage.followers.size() > 1) continue;
    if (on_disk.empty()) {
      for (const FoundFile& file : result.files) on_disk.insert(file.facts.identity);
      for (const WatchDir& directory : result.directories) {
        auto files = identities_in(*directory.directory);
        if (!files) return;
        on_disk.merge(files.value());
      }
    }
    std::set<checkpoint::FileIdentity> kept{lineage.newest};
    for (const HeldFile& held : lineage.files) {
      if (const auto file = held.file.lock()) kept.insert(file->identity);
    }
    size_t excess = all.size() - kGenerationsKnown;
    std::erase_if(all, [&](const checkpoint::FileIdentity& each) {
      if (excess == 0 || on_disk.contains(each) || kept.contains(each)) return false;
      --excess;
      identities_.erase({each, lineage.stream});
      return true;
    });
    lineage.identities_max = 2 * std::max(all.size(), kGenerationsKnown);
  }
}

// Where a source that nobody has read yet begins.
uint64_t Discovery::first_offset(const Follower& follower, const FoundFile& file) const {
  const Declaration& declaration = *follower.declaration;
  const bool at_end =
      declaration.start_given ? declaration.start == StartAt::kEnd : options_.first_start_at_end;
  // A file that appears after its declaration was first looked at is new from its first byte on.
  const bool predates = !follower.scanned && !known_declaration(follower);
  if (at_end && predates) return file.facts.size_bytes;
  return std::min(file.image_bytes, file.facts.size_bytes);
}

bool Discovery::known_declaration(const Follower& follower) const {
  return declared_before_.contains({follower.who.container_id, follower.declaration->name});
}

std::shared_ptr<const SourceSpec> Discovery::make_spec(const Follower& follower,
                                                       const FoundFile& file, SourceId id,
                                                       LaneId lane) const {
  auto spec = std::make_shared<SourceSpec>();
  spec->id = id;
  spec->lane = lane;
  spec->declaration = follower.declaration;
  spec->host_path = lineages_.at(id).host_path;
  const Stream stream = follower.declaration->stream;
  spec->container_path = stream == Stream::kFile ? file.container_path : stream_name(stream);
  spec->container_id = follower.who.container_id;
  spec->container_name = follower.who.container_name;
  spec->image = follower.who.image;
  return spec;
}

// logrotate's copytruncate leaves a copy beside the file before it truncates it: the youngest file
// of its rotation that is nobody's yet.
void Discovery::look_for_copy(SourceId id) {
  const auto found = lineages_.find(id);
  if (found == lineages_.end() || found->second.spec == nullptr) return;
  Lineage& lineage = found->second;
  const Stream stream = lineage.spec->declaration->stream;
  const std::string base = lineage.host_path.substr(lineage.host_path.rfind('/') + 1);
  std::shared_ptr<const OpenFile> copy;
  for (const auto& [watch, directory] : directories_) {
    const auto named = directory.names.find(base);
    if (named == directory.names.end() || !named->second.contains(id)) continue;
    const auto siblings = rotated_siblings(*directory.directory, base);
    if (!siblings) continue;
    const Sibling* youngest = nullptr;
    for (const Sibling& sibling : *siblings) {
      if (identities_.contains({sibling.facts.identity, stream})) continue;
      if (youngest == nullptr || sibling.facts.modified_ns > youngest->facts.modified_ns) {
        youngest = &sibling;
      }
    }
    if (youngest == nullptr) continue;
    const auto& identity = youngest->facts.identity;
    auto fd = open_found(*directory.directory, youngest->file_name, identity);
    if (fd) copy = std::make_shared<OpenFile>(OpenFile{std::move(fd).value(), identity});
  }
  post_(lineage.lane, CopyFound{id, std::move(copy)});
}

// From here on writes to this name touch the source.
void Discovery::name_file(const FoundFile& file, SourceId id) {
  const auto watch = scan_watches_.find(file.directory.get());
  if (watch == scan_watches_.end()) return;
  directories_.at(watch->second).names[file.file_name].insert(id);
}

}  // namespace longshore::agent
