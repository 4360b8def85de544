#include "agent/files/container_fs.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <xxhash.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <functional>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>

#include "agent/files/link_way.h"
#include "agent/files/newest_directories.h"
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

constexpr size_t kNotKept = SIZE_MAX;  // Of a directory.

/// One step of an expansion: the components from `index` on are looked for in `at`.
struct Expansion {
  PlacePtr at;
  size_t index = 0;
  size_t links_left = limits::kSymlinksMax;
  size_t depth = 0;
  Way way = {};
};

/// Expands one pattern, once. The walk is a stack of listings, so it can stop anywhere. If there
/// are too many directories, it is done twice: first to find the newest ones, then in those alone.
class Scan final : public PathScan, private WalkNotes {
 public:
  Scan(const FsSpec& spec, const std::string& host_root, const HostMounts& mounts,
       const std::string& pattern, std::string exclude, Interests interests)
      : container_id_(spec.container_id),
        walk_(spec, host_root, mounts, *this),
        components_(components_of(pattern)),
        exclude_(std::move(exclude)),
        interests_(std::move(interests)) {}

  bool go_on(Slice& slice) override;
  ScanResult take() override;

 private:
  // A directory whose names are visited one after the other.
  struct Frame {
    Frame(Expansion step, bool below)
        : listing(step.at), expansion(std::move(step)), descends(below) {}
    PathWalk::Listing listing;
    Expansion expansion;
    bool descends;  // For the directories below a `**`.
    std::vector<PathWalk::Name> names = {};
  };

  void problem(std::string sentence) override { add(result_.problems, std::move(sentence)); }
  void passing() override { result_.is_passing = true; }
  void missing(std::string sentence) override { add(result_.missing, std::move(sentence)); }
  bool watch(const Place& place) override;
  static void add(std::vector<std::string>& problems, std::string sentence);
  void step();
  void begin_pass();
  WatchDir* note(const HostDir& directory, const std::string& path);
  void note_holder(const Place& place, const Way& way);
  bool is_first_time(const Expansion& step);
  void list(const Expansion& step, bool descends);
  void expand(const Expansion& step);
  void visit(const Expansion& step, const std::string& name);
  void collect(const Entry& entry, const Way& way);
  void keep_newest(FoundFile file);
  Way begin_way(const Place& place, const std::string& name, const Entry& link) const;
  LogName name_of(const Way& way) const;
  void note_linked(const Way& way, size_t index);
  bool is_excluded(const std::string& path) const {
    return !exclude_.empty() && path_matches(exclude_, path);
  }

  const std::string& container_id_;
  PathWalk walk_;
  const std::vector<std::string> components_;
  const std::string exclude_;
  const Interests interests_;
  PlacePtr root_;
  bool is_begun_ = false;
  std::vector<Frame> frames_;
  ScanResult result_;
  std::vector<FoundFile> newest_;     // A heap, the oldest first.
  std::set<std::string> files_seen_;  // By host path; of those that are kept.
  std::set<std::string> own_names_;   // Those of them that match by their own names.
  std::string watched_path_;          // The place that was watched last,
  bool watched_ = false;              // and whether it could be.
  std::map<checkpoint::FileIdentity, size_t> directories_seen_;  // Where in result_; or kNotKept.
  // Where expand() was, by hash of virtual path, component and whether a symlink led there, and how
  // far it could go from there.
  struct Reach {
    size_t links_left, depth;
  };
  std::unordered_map<uint64_t, Reach> expanded_;
  NewestDirectories newest_directories_;
  bool chooses_ = false;  // The second pass.
};

bool Scan::go_on(Slice& slice) {
  if (!std::exchange(is_begun_, true)) begin_pass();
  for (;;) {
    while (!frames_.empty() && !walk_.is_exhausted()) {
      if (slice.is_used_up()) return false;
      const size_t before = walk_.steps();
      step();
      slice.spend(walk_.steps() - before + 1);
    }
    frames_.clear();
    const bool again = result_.refused.directories > 0 && !chooses_ && !walk_.is_exhausted();
    if (!again) return true;
    chooses_ = true;
    newest_directories_.choose();
    begin_pass();
  }
}

void Scan::begin_pass() {
  result_.files.clear();
  result_.directories.clear();
  result_.linked.clear();
  result_.refused = {};
  newest_.clear();
  files_seen_.clear();
  own_names_.clear();
  directories_seen_.clear();
  expanded_.clear();
  watched_path_.clear();
  root_ = walk_.start();
  if (root_) expand({.at = root_});
}

ScanResult Scan::take() {
  result_.refused.names |= walk_.is_exhausted();
  if (result_.refused.directories > 0) {
    problem("The pattern leads through more than " + std::to_string(limits::kScanDirectoriesMax) +
            " directories; new logs in the oldest of them are not collected. Declare a narrower "
            "pattern.");
  }
  std::move(newest_.begin(), newest_.end(), std::back_inserter(result_.files));
  for (FoundFile& file : result_.files) {
    if (own_names_.contains(file.host_path)) file.log = {};
  }
  if (result_.files.empty() && !walk_.rootless_reason().empty()) problem(walk_.rootless_reason());
  std::ranges::sort(result_.files, {}, &FoundFile::host_path);
  std::ranges::sort(result_.directories, {}, &WatchDir::host_path);
  return std::move(result_);
}

void Scan::add(std::vector<std::string>& problems, std::string sentence) {
  if (problems.size() == limits::kScanProblemsMax) return;
  if (std::find(problems.begin(), problems.end(), sentence) != problems.end()) return;
  problems.push_back(std::move(sentence));
}

bool Scan::watch(const Place& place) {
  if (!place.watch) return true;
  if (place.path == watched_path_) return watched_;
  const bool is_noted = note(*place.watch, place.path) != nullptr;
  watched_path_ = place.path;
  // The first pass looks into all directories, to find the newest.
  watched_ = is_noted || !chooses_;
  return watched_;
}

// The directory's entry in the result, made once. nullptr: there are too many, or its facts cannot
// be read. `path` is its virtual one.
WatchDir* Scan::note(const HostDir& directory, const std::string& path) {
  const auto facts = checkpoint::file_facts(directory.fd->get());
  if (!facts) {
    problem(printable(facts.error().message));
    return nullptr;
  }
  if (directories_seen_.size() == limits::kScanDirectoriesSeenMax &&
      !directories_seen_.contains(facts->identity)) {
    ++result_.refused.directories;
    return nullptr;
  }
  const auto [seen, is_new] =
      directories_seen_.try_emplace(facts->identity, result_.directories.size());
  if (!is_new) return seen->second == kNotKept ? nullptr : &result_.directories[seen->second];
  if (!chooses_) newest_directories_.add({facts->modified_ns, facts->identity, path});
  if (result_.directories.size() == limits::kScanDirectoriesMax ||
      (chooses_ && !newest_directories_.is_chosen(facts->identity, path))) {
    ++result_.refused.directories;
    seen->second = kNotKept;
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
  WatchDir* const directory = note(*place.upper, place.path);
  if (directory == nullptr) return;
  const bool is_first = directory->container_path.empty();
  directory->container_path = place.path;
  if (is_first || !way) directory->log = name_of(way);
}

void Scan::expand(const Expansion& step) {
  if (walk_.is_exhausted() || step.index == components_.size()) return;
  const std::string& component = components_[step.index];
  if (step.index + 1 == components_.size()) note_holder(*step.at, step.way);
  if (has_wildcards(component) && !is_first_time(step)) return;
  if (component == "**") {
    // This directory and those below it, except symlinks, which could lead in circles.
    if (!watch(*step.at)) return;
    if (step.depth < limits::kScanDepthMax) list(step, true);
    Expansion here = step;
    ++here.index;
    return expand(here);
  }
  if (!has_wildcards(component)) return visit(step, component);
  if (watch(*step.at)) list(step, false);
}

// Several `**` and symlinks lead to one directory again and again.
bool Scan::is_first_time(const Expansion& step) {
  if (expanded_.size() == limits::kScanDirectoriesSeenMax) return true;
  const std::string& path = step.at->path;
  const uint64_t key =
      XXH3_64bits_withSeed(path.data(), path.size(), 2 * step.index + (step.way ? 1 : 0));
  const auto [known, is_new] = expanded_.try_emplace(key, Reach{step.links_left, step.depth});
  if (is_new) return true;
  Reach& reach = known->second;
  if (reach.links_left >= step.links_left && reach.depth <= step.depth) return false;
  reach = {step.links_left, step.depth};
  return true;
}

void Scan::list(const Expansion& step, bool descends) {
  if (frames_.size() == limits::kScanOpenListingsMax) {
    problem("The pattern leads through more than " + std::to_string(limits::kScanOpenListingsMax) +
            " levels of directories; what is deeper is not collected.");
    result_.refused.names = true;
    return;
  }
  frames_.emplace_back(step, descends);
}

// Visits one name of the directory listed last.
void Scan::step() {
  Frame& frame = frames_.back();
  if (frame.names.empty()) {
    if (frame.listing.is_done()) return frames_.pop_back();
    walk_.list_on(frame.listing, limits::kScanListedAtOnce, frame.names);
    // Of several symlinks that lead to a file, the same one names it each time.
    std::ranges::sort(frame.names, std::greater(), &PathWalk::Name::name);
    return;
  }
  const PathWalk::Name each = std::move(frame.names.back());
  frame.names.pop_back();
  // Another directory may be listed now: `frame` is not used any more.
  const Expansion from = frame.expansion;
  const bool descends = frame.descends;
  walk_.begin_name(*from.at);
  if (!descends) {
    const bool may_match = from.index + 1 == components_.size() || !each.is_file;
    if (may_match && glob_match(components_[from.index], each.name)) visit(from, each.name);
    return;
  }
  if (each.is_file || !glob_match("*", each.name)) return;
  const Entry entry = walk_.look_up(from.at, each.name);
  if (entry.kind != Entry::Kind::kDirectory) return;
  expand({.at = entry.place,
          .index = from.index,
          .links_left = from.links_left,
          .depth = from.depth + 1,
          .way = from.way.then(each.name, entry.mount)});
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
  if (files_seen_.contains(host_path)) {
    if (!way) own_names_.insert(host_path);
    return;
  }
  const Interest interest = interests_(entry.opened.facts);
  if (interest == Interest::kNone) return;
  const bool is_full = newest_.size() == limits::kFilesPerDeclarationMax;
  if (interest == Interest::kNew && is_full &&
      entry.opened.facts.modified_ns <= newest_.front().facts.modified_ns) {
    ++result_.refused.files;
    return;
  }
  // A file reached through a symlink is rotated where it is, not where the link is.
  const WatchDir* holder = note(entry.holder, std::string(parent_path(entry.path)));
  if (holder == nullptr) return;
  files_seen_.insert(host_path);
  FoundFile file{.container_path = entry.path,
                 .host_path = host_path,
                 .directory = holder->directory,
                 .file_name = entry.name,
                 .facts = entry.opened.facts,
                 .image_bytes = entry.image_bytes,
                 .log = name_of(way)};
  if (interest == Interest::kKnown) {
    result_.files.push_back(std::move(file));
  } else {
    keep_newest(std::move(file));
  }
}

void Scan::keep_newest(FoundFile file) {
  const auto is_newer = [](const FoundFile& a, const FoundFile& b) {
    return a.facts.modified_ns > b.facts.modified_ns;
  };
  if (newest_.size() == limits::kFilesPerDeclarationMax) {
    ++result_.refused.files;
    files_seen_.erase(newest_.front().host_path);
    own_names_.erase(newest_.front().host_path);
    std::pop_heap(newest_.begin(), newest_.end(), is_newer);
    newest_.pop_back();
  }
  newest_.push_back(std::move(file));
  std::push_heap(newest_.begin(), newest_.end(), is_newer);
}

/// A path that cannot be walked.
class RefusedScan final : public PathScan {
 public:
  explicit RefusedScan(std::string problem) { result_.problems.push_back(std::move(problem)); }
  bool go_on(Slice& /*slice*/) override { return true; }
  ScanResult take() override { return std::move(result_); }

 private:
  ScanResult result_;
};

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

std::unique_ptr<PathScan> ContainerFs::begin_scan(const std::string& pattern,
                                                  const std::string& exclude,
                                                  Interests interests) const {
  if (!is_plain_path(pattern)) {
    return std::make_unique<RefusedScan>(
        printable(pattern) + " is not an absolute path of at most 4096 bytes without \"..\".");
  }
  return std::make_unique<Scan>(spec_, host_root_, mounts_, pattern, exclude, std::move(interests));
}

ScanResult ContainerFs::scan(const std::string& pattern, const std::string& exclude) const {
  const SystemClock clock;
  const auto scan = begin_scan(pattern, exclude, [](const auto&) { return Interest::kNew; });
  for (bool is_complete = false; !is_complete;) {
    Slice slice(clock, limits::kTurnNs, limits::kTurnSteps);
    is_complete = scan->go_on(slice);
  }
  return scan->take();
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
