#include "agent/files/container_fs.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <map>
#include <set>
#include <utility>

#include "agent/files/path_walk.h"
#include "config/glob.h"
#include "config/limits.h"

namespace longshore::agent {
namespace {

const char* name_of_kind(uint32_t mode) {
  if (S_ISFIFO(mode)) return "a FIFO";
  if (S_ISSOCK(mode)) return "a socket";
  if (S_ISBLK(mode) || S_ISCHR(mode)) return "a device";
  return "not a regular file";
}

// "/a/**/**/b" -> a, **, b; a `**` at the end matches files at any depth.
std::vector<std::string> components_of(const std::string& pattern) {
  std::vector<std::string> components;
  for (std::string& part : split_path(pattern)) {
    if (part == "**" && !components.empty() && components.back() == "**") continue;
    components.push_back(std::move(part));
  }
  if (!components.empty() && components.back() == "**") components.push_back("*");
  return components;
}

/// How a place was reached after the first symlink on the way: by names.
struct Way {
  explicit operator bool() const { return !container_path.empty(); }
  /// One name further.
  Way then(const std::string& name, const FsMount* to) const;

  std::string container_path;  // Empty: no symlink on the way.
  std::string host_path;       // Where the link stands on a mount.
  const FsMount* mount = nullptr;
  bool left_mount = false;
};

Way Way::then(const std::string& name, const FsMount* to) const {
  if (!*this) return {};
  return {.container_path = join_path(container_path, name),
          .host_path = join_path(host_path, name),
          .mount = mount,
          .left_mount = left_mount || to != mount};
}

/// One step of an expansion: the components from `index` on are looked for in `at`.
struct Expansion {
  PlacePtr at;
  size_t index = 0;
  size_t links_left = limits::kSymlinksMax;
  size_t depth = 0;
  Way way = {};
};

/// Expands one pattern, once.
class Scan final : public WalkNotes {
 public:
  Scan(const FsSpec& spec, const std::string& host_root, const HostMounts& mounts,
       const std::string& pattern, const std::string& exclude)
      : container_id_(spec.container_id),
        walk_(spec, host_root, mounts, *this),
        components_(components_of(pattern)),
        exclude_(exclude) {}

  ScanResult run();

  void problem(std::string sentence) override { add(result_.problems, std::move(sentence)); }
  void passing() override { result_.is_passing = true; }
  void missing(std::string sentence) override { add(result_.missing, std::move(sentence)); }
  bool watch(const Place& place) override;

 private:
  static void add(std::vector<std::string>& problems, std::string sentence);
  WatchDir* note(const HostDir& directory);
  void note_holder(const Place& place, const Way& way);
  void expand(const Expansion& step);
  void descend(const Expansion& step);
  void visit(const Expansion& step, const std::string& name);
  void collect(const Entry& entry, const Way& way);
  Way begin_way(const Place& place, const std::string& name, const Entry& link) const;
  LogName name_of(const Way& way) const;
  void note_linked(const Way& way, size_t index);
  bool is_excluded(const std::string& path) const {
    return !exclude_.empty() && path_matches(exclude_, path);
  }

  const std::string& container_id_;
  PathWalk walk_;
  std::vector<std::string> components_;
  const std::string& exclude_;
  ScanResult result_;
  std::map<std::string, size_t> files_seen_;                     // By host path: where in result_.
  std::set<std::string> places_seen_;                            // By virtual path.
  std::map<checkpoint::FileIdentity, size_t> directories_seen_;  // On the host: where in result_.
};

ScanResult Scan::run() {
  const PlacePtr root = walk_.start();
  if (root) expand({.at = root});
  if (walk_.is_exhausted()) result_.truncated = true;
  if (result_.files.empty() && !walk_.rootless_reason().empty()) problem(walk_.rootless_reason());
  std::sort(result_.files.begin(), result_.files.end(),
            [](const FoundFile& a, const FoundFile& b) { return a.host_path < b.host_path; });
  return std::move(result_);
}

void Scan::add(std::vector<std::string>& problems, std::string sentence) {
  if (problems.size() == limits::kScanProblemsMax) return;
  if (std::find(problems.begin(), problems.end(), sentence) != problems.end()) return;
  problems.push_back(std::move(sentence));
}

bool Scan::watch(const Place& place) {
  if (!place.watch || !places_seen_.insert(place.path).second) return true;
  return note(*place.watch) != nullptr;
}

// The directory's entry in the result, made once. nullptr: there are too many, or its facts cannot
// be read.
WatchDir* Scan::note(const HostDir& directory) {
  const auto facts = checkpoint::file_facts(directory.fd->get());
  if (!facts) {
    problem(printable(facts.error().message));
    return nullptr;
  }
  const auto [seen, is_new] =
      directories_seen_.try_emplace(facts->identity, result_.directories.size());
  if (!is_new) return &result_.directories[seen->second];
  if (result_.directories.size() == limits::kScanDirectoriesMax) {
    problem("The pattern leads through more than " + std::to_string(limits::kScanDirectoriesMax) +
            " directories; logs in the others are not collected. Declare a narrower pattern.");
    result_.truncated = true;
    directories_seen_.erase(seen);
    return nullptr;
  }
  result_.directories.push_back({.host_path = directory.reported_path(),
                                 .directory = directory.fd,
                                 .identity = facts->identity,
                                 .container_path = {},
                                 .log = {}});
  return &result_.directories.back();
}

// Files that match the last component of the pattern may appear in `place`.
void Scan::note_holder(const Place& place, const Way& way) {
  if (!place.upper || !watch(place)) return;
  WatchDir* const directory = note(*place.upper);
  if (directory == nullptr) return;
  const bool is_first = directory->container_path.empty();
  directory->container_path = place.path;
  if (is_first || !way) directory->log = name_of(way);
}

void Scan::expand(const Expansion& step) {
  if (walk_.is_exhausted() || step.index == components_.size()) return;
  const std::string& component = components_[step.index];
  if (step.index + 1 == components_.size()) note_holder(*step.at, step.way);
  if (component == "**") return descend(step);
  if (!has_wildcards(component)) return visit(step, component);
  if (!watch(*step.at)) return;
  for (const PathWalk::Name& each : walk_.names_in(*step.at)) {
    if (!glob_match(component, each.name)) continue;
    if (each.is_file && step.index + 1 < components_.size()) continue;
    visit(step, each.name);
    if (result_.truncated) return;
  }
}

// `**`: this directory and those below it, except symlinks, which could lead in circles.
void Scan::descend(const Expansion& step) {
  if (!watch(*step.at)) return;
  Expansion here = step;
  ++here.index;
  expand(here);
  if (step.depth == limits::kScanDepthMax) return;
  for (const PathWalk::Name& each : walk_.names_in(*step.at)) {
    if (walk_.is_exhausted() || result_.truncated) return;
    if (each.is_file || !glob_match("*", each.name)) continue;
    const Entry entry = walk_.look_up(step.at, each.name);
    if (entry.kind != Entry::Kind::kDirectory) continue;
    descend({.at = entry.place,
             .index = step.index,
             .links_left = step.links_left,
             .depth = step.depth + 1,
             .way = step.way.then(each.name, entry.mount)});
  }
}

void Scan::visit(const Expansion& step, const std::string& name) {
  const bool is_last = step.index + 1 == components_.size();
  if (is_last && is_excluded(join_path(step.at->path, name))) return;
  Entry entry = walk_.look_up(step.at, name);
  Way way = step.way.then(name, entry.mount);
  size_t links_left = step.links_left;
  if (entry.kind == Entry::Kind::kSymlink) {
    if (!way) way = begin_way(*step.at, name, entry);
    entry = walk_.follow(step.at, entry, links_left);
    way.left_mount |= entry.left_mount;
  }
  if (is_last) {
    if (way && is_excluded(way.container_path)) return;
    note_linked(way, step.index + 1);
    if (watch(*step.at)) collect(entry, way);
  } else if (entry.kind == Entry::Kind::kDirectory) {
    expand({.at = entry.place,
            .index = step.index + 1,
            .links_left = links_left,
            .depth = step.depth,
            .way = std::move(way)});
  } else {
    note_linked(way, step.index + 1);
    watch(*step.at);  // A directory may appear in its place.
  }
}

// The first symlink on the way is `name` in `place`.
Way Scan::begin_way(const Place& place, const std::string& name, const Entry& link) const {
  Way way{.container_path = join_path(place.path, name), .host_path = {}, .mount = link.mount};
  if (place.upper) way.host_path = join_path(place.upper->reported_path(), name);
  return way;
}

LogName Scan::name_of(const Way& way) const {
  if (!way) return {};
  const bool is_shared = way.mount != nullptr && !way.left_mount && !way.host_path.empty();
  std::string path = is_shared ? way.host_path : walk_.private_path(way.container_path);
  if (path.empty()) path = "link:" + container_id_ + ":" + way.container_path;
  return {.host_path = std::move(path), .container_path = way.container_path};
}

// The components from `index` on would follow, if there were something.
void Scan::note_linked(const Way& way, size_t index) {
  if (!way || result_.linked.size() >= limits::kFilesPerDeclarationMax) return;
  Way last = way;
  for (; index < components_.size(); ++index) {
    if (has_wildcards(components_[index])) return;
    last = last.then(components_[index], last.mount);
  }
  for (int either = 0; either < 2; ++either) {
    LogName name = name_of(last);
    result_.linked.try_emplace(name.host_path, name);
    last.left_mount = !last.left_mount;  // Where a link to nothing would lead is not known.
  }
}

void Scan::collect(const Entry& entry, const Way& way) {
  if (entry.kind == Entry::Kind::kNothing || !entry.is_collected) return;
  if (entry.kind == Entry::Kind::kDirectory) {
    // `*` matches whatever is there; a directory is a mistake only if it was declared by name.
    if (components_.back() != "*") {
      problem(printable(entry.path) + " is a directory, not a file: declare " +
              printable(entry.path) + "/* to collect the files in it.");
    }
    return;
  }
  if (entry.kind == Entry::Kind::kOther) {
    problem(printable(entry.path) + " is " + name_of_kind(entry.opened.facts.mode) +
            ": only regular files are collected.");
    return;
  }
  if (is_excluded(entry.path)) return;
  const std::string host_path =
      entry.holder.tree->reported_prefix + join_path(entry.holder.path, entry.name);
  if (const auto seen = files_seen_.find(host_path); seen != files_seen_.end()) {
    if (!way) result_.files[seen->second].log = {};
    return;
  }
  if (result_.files.size() == limits::kFilesPerDeclarationMax) {
    result_.truncated = true;
    return;
  }
  // A file reached through a symlink is rotated where it is, not where the link is.
  const WatchDir* holder = note(entry.holder);
  if (holder == nullptr) return;
  files_seen_[host_path] = result_.files.size();
  result_.files.push_back({.container_path = entry.path,
                           .host_path = host_path,
                           .directory = holder->directory,
                           .file_name = entry.name,
                           .facts = entry.opened.facts,
                           .image_bytes = entry.image_bytes,
                           .log = name_of(way)});
}

// Kafka's connections, the checkpoint and the watch loop need descriptors too: without them the log
// files could never be shipped and closed.
bool is_reserved(int fd) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return false;
  const rlim_t kept = std::min(limits::kDescriptorsKept, limit.rlim_cur / 4);
  return static_cast<rlim_t>(fd) >= limit.rlim_cur - kept;
}

Error no_descriptor() {
  return {ErrorCode::kFull,
          "the limit on open files is reached. The file waits until others are closed; raise "
          "LimitNOFILE (ulimit -n) or declare fewer files"};
}

}  // namespace

ContainerFs::ContainerFs(FsSpec spec, std::string host_root, const HostMounts& mounts)
    : spec_(std::move(spec)), host_root_(std::move(host_root)), mounts_(mounts) {}

ScanResult ContainerFs::scan(const std::string& pattern, const std::string& exclude) const {
  if (!is_plain_path(pattern)) {
    ScanResult refused;
    refused.problems.push_back(printable(pattern) +
                               " is not an absolute path of at most 4096 bytes without \"..\".");
    return refused;
  }
  return Scan(spec_, host_root_, mounts_, pattern, exclude).run();
}

Result<Fd> open_found(const Fd& directory, const std::string& name,
                      const checkpoint::FileIdentity& expected) {
  // Held without opening it: opening a device that took its place could have an effect.
  const Fd held(::openat(directory.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (!held) {
    if (errno == EMFILE || errno == ENFILE) return no_descriptor();
    const bool gone = errno == ENOENT || errno == ENOTDIR;
    return Error{gone ? ErrorCode::kNotFound : ErrorCode::kRetryable,
                 printable(name) + ": " + std::strerror(errno)};
  }
  const auto facts = checkpoint::file_facts(held.get());
  if (!facts) return facts.error();
  if (!S_ISREG(facts->mode) || facts->identity != expected) {
    return Error{ErrorCode::kNotFound, printable(name) + " has been replaced by another file."};
  }
  auto file = reopen_for_reading(held);
  if (!file && file.error().code == ErrorCode::kFull) return no_descriptor();
  if (file && is_reserved(file->get())) return no_descriptor();
  return file;
}

}  // namespace longshore::agent
