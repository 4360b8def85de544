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

/// Expands one pattern, once.
class Scan final : public WalkNotes {
 public:
  Scan(const FsSpec& spec, const std::string& host_root, const HostMounts& mounts,
       const std::string& pattern, const std::string& exclude)
      : walk_(spec, host_root, mounts, *this),
        components_(components_of(pattern)),
        exclude_(exclude) {}

  ScanResult run();

  void problem(std::string sentence) override;
  bool watch(const Place& place) override;

 private:
  WatchDir* note(const HostDir& directory);
  void note_holder(const Place& place);
  void expand(const PlacePtr& at, size_t index, size_t links_left, size_t depth);
  void descend(const PlacePtr& at, size_t index, size_t links_left, size_t depth);
  void visit(const PlacePtr& at, const std::string& name, size_t index, size_t links_left,
             size_t depth);
  void collect(const Entry& entry);
  bool is_excluded(const std::string& path) const {
    return !exclude_.empty() && path_matches(exclude_, path);
  }

  PathWalk walk_;
  std::vector<std::string> components_;
  const std::string& exclude_;
  ScanResult result_;
  std::set<std::string> files_seen_;                             // By host path.
  std::set<std::string> places_seen_;                            // By virtual path.
  std::map<checkpoint::FileIdentity, size_t> directories_seen_;  // On the host: where in result_.
};

ScanResult Scan::run() {
  const PlacePtr root = walk_.start();
  if (root) expand(root, 0, limits::kSymlinksMax, 0);
  if (walk_.is_exhausted()) result_.truncated = true;
  if (result_.files.empty() && !walk_.rootless_reason().empty()) problem(walk_.rootless_reason());
  std::sort(result_.files.begin(), result_.files.end(),
            [](const FoundFile& a, const FoundFile& b) { return a.host_path < b.host_path; });
  return std::move(result_);
}

void Scan::problem(std::string sentence) {
  auto& problems = result_.problems;
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
                                 .container_path = {}});
  return &result_.directories.back();
}

// Files that match the last component of the pattern may appear in `place`.
void Scan::note_holder(const Place& place) {
  if (!place.upper || !watch(place)) return;
  if (WatchDir* directory = note(*place.upper)) directory->container_path = place.path;
}

void Scan::expand(const PlacePtr& at, size_t index, size_t links_left, size_t depth) {
  if (walk_.is_exhausted() || index == components_.size()) return;
  const std::string& component = components_[index];
  if (index + 1 == components_.size()) note_holder(*at);
  if (component == "**") return descend(at, index, links_left, depth);
  if (!has_wildcards(component)) return visit(at, component, index, links_left, depth);
  if (!watch(*at)) return;
  for (const PathWalk::Name& each : walk_.names_in(*at)) {
    if (!glob_match(component, each.name)) continue;
    if (each.is_file && index + 1 < components_.size()) continue;
    visit(at, each.name, index, links_left, depth);
    if (result_.truncated) return;
  }
}

// `**`: this directory and those below it, except symlinks, which could lead in circles.
void Scan::descend(const PlacePtr& at, size_t index, size_t links_left, size_t depth) {
  if (!watch(*at)) return;
  expand(at, index + 1, links_left, depth);
  if (depth == limits::kScanDepthMax) return;
  for (const PathWalk::Name& each : walk_.names_in(*at)) {
    if (walk_.is_exhausted() || result_.truncated) return;
    if (each.is_file || !glob_match("*", each.name)) continue;
    const Entry entry = walk_.look_up(at, each.name);
    if (entry.kind == Entry::Kind::kDirectory) descend(entry.place, index, links_left, depth + 1);
  }
}

void Scan::visit(const PlacePtr& at, const std::string& name, size_t index, size_t links_left,
                 size_t depth) {
  const bool is_last = index + 1 == components_.size();
  if (is_last && is_excluded(join_path(at->path, name))) return;
  Entry entry = walk_.look_up(at, name);
  if (entry.kind == Entry::Kind::kSymlink) entry = walk_.follow(at, entry, links_left);
  if (is_last) {
    if (watch(*at)) collect(entry);
  } else if (entry.kind == Entry::Kind::kDirectory) {
    expand(entry.place, index + 1, links_left, depth);
  } else {
    watch(*at);  // A directory may appear in its place.
  }
}

void Scan::collect(const Entry& entry) {
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
  if (files_seen_.contains(host_path)) return;
  if (result_.files.size() == limits::kFilesPerDeclarationMax) {
    result_.truncated = true;
    return;
  }
  // A file reached through a symlink is rotated where it is, not where the link is.
  const WatchDir* holder = note(entry.holder);
  if (holder == nullptr) return;
  files_seen_.insert(host_path);
  result_.files.push_back({.container_path = entry.path,
                           .host_path = host_path,
                           .directory = holder->directory,
                           .file_name = entry.name,
                           .facts = entry.opened.facts,
                           .image_bytes = entry.image_bytes});
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
  if (file && is_reserved(file->get())) return no_descriptor();
  return file;
}

}  // namespace longshore::agent
