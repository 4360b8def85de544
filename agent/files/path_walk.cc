#include "agent/files/path_walk.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "config/limits.h"
#include "config/printable.h"

namespace longshore::agent {
namespace {

Entry::Kind kind_of(uint32_t mode) {
  if (S_ISLNK(mode)) return Entry::Kind::kSymlink;
  if (S_ISREG(mode)) return Entry::Kind::kFile;
  return Entry::Kind::kOther;
}

std::string read_link(const Fd& link) {
  std::array<char, limits::kPathBytesMax> target;
  const ssize_t size = ::readlinkat(link.get(), "", target.data(), target.size());
  return size < 0 ? "" : std::string(target.data(), static_cast<size_t>(size));
}

bool equal_at(const Fd& one, const Fd& other, uint64_t offset, size_t size) {
  std::string left(size, '\0');
  std::string right(size, '\1');
  const auto at = static_cast<off_t>(offset);
  return ::pread(one.get(), left.data(), size, at) == static_cast<ssize_t>(size) &&
         ::pread(other.get(), right.data(), size, at) == static_cast<ssize_t>(size) &&
         left == right;
}

// Whether `file` begins with the bytes of `image`, judged by both ends of that part.
bool begins_with(const OpenedName& file, const OpenedName& image) {
  const uint64_t size = image.facts.size_bytes;
  const size_t part = std::min<uint64_t>(size, limits::kImageCompareBytes);
  auto left = reopen_for_reading(file.fd);
  auto right = reopen_for_reading(image.fd);
  return left && right && equal_at(*left, *right, 0, part) &&
         equal_at(*left, *right, size - part, part);
}

}  // namespace

std::string printable(const std::string& text) {
  return longshore::printable(text, limits::kPrintableBytesMax);
}

PathWalk::PathWalk(const FsSpec& spec, const std::string& host_root, const HostMounts& mounts,
                   WalkNotes& notes)
    : spec_(spec),
      host_root_(host_root),
      mounts_(mounts),
      notes_(notes),
      trusts_marks_(spec.reads_trusted_marks) {}

bool PathWalk::spend(size_t steps) {
  steps_ += steps;
  name_steps_ += steps;
  if (is_exhausted_) return false;
  if (name_steps_ > limits::kScanNameStepsMax) {
    problem("A path leads through more than " + std::to_string(limits::kScanNameStepsMax) +
            " directories and symlinks; it is not followed.");
    return false;
  }
  if (steps_left_ < steps) {
    exhaust(limits::kScanStepsMax);
    return false;
  }
  steps_left_ -= steps;
  return true;
}

bool PathWalk::spend_name() {
  ++steps_;
  if (is_exhausted_) return false;
  if (names_left_ == 0) {
    exhaust(limits::kScanNamesMax);
    return false;
  }
  --names_left_;
  return true;
}

void PathWalk::exhaust(size_t limit) {
  is_exhausted_ = true;
  notes_.problem("The pattern makes a scan visit more than " + std::to_string(limit) +
                 " names; the rest is not collected. Declare a narrower pattern.");
}

void PathWalk::begin_name(const Place& place) {
  const size_t granted = limits::kScanStepsGranted + place.lowers.size();
  steps_left_ = std::min(steps_left_ + granted, limits::kScanStepsMax);
  name_steps_ = 0;
}

void PathWalk::problem(std::string sentence) {
  if (!is_placing_) notes_.problem(std::move(sentence));
}

void PathWalk::cannot_enter(const std::string& what, const Error& error) {
  std::string sentence = what + printable(error.message);
  if (error.code != ErrorCode::kNotFound) return problem(std::move(sentence));
  if (!is_placing_) notes_.missing(std::move(sentence));
}

void PathWalk::watch(const Place& place) {
  if (!is_placing_) notes_.watch(place);
}

void PathWalk::report(const Error& error) {
  if (error.code != ErrorCode::kNotFound) problem(printable(error.message));
}

Entry PathWalk::look_up(const PlacePtr& place, const std::string& name) {
  const std::string path = join_path(place->path, name);
  if (path.size() > limits::kPathBytesMax || !spend(1)) return {};
  if (const auto placed = placed_.find(path); placed != placed_.end()) {
    const FsMount& mount = *placed->second;
    Entry entry = mount.source.empty() ? enter_live_mount(place, path, mount)
                                       : enter_mount(place, path, mount);
    entry.mount = &mount;
    // Before the container runs, only the mount point of a tmpfs is there.
    if (entry.kind != Entry::Kind::kNothing || !mount.source.empty()) return entry;
  }
  Entry entry = look_up_there(place, path, name);
  entry.mount = place->mount;
  return entry;
}

Entry PathWalk::look_up_there(const PlacePtr& place, const std::string& path,
                              const std::string& name) {
  Entry entry = merge(place, path, name);
  if (entry.kind == Entry::Kind::kNothing && has_mount_below(path)) {
    // The runtime makes the directories above a mount when the container starts.
    auto child = std::make_shared<Place>();
    child->path = path;
    child->parent = place;
    child->watch = place->watch;
    child->mount = place->mount;
    child->is_overlay = place->is_overlay;
    entry.kind = Entry::Kind::kDirectory;
    entry.path = path;
    entry.place = child;
  }
  return entry;
}

Entry PathWalk::merge(const PlacePtr& place, const std::string& path, const std::string& name) {
  Entry entry;
  auto child = std::make_shared<Place>();
  child->path = path;
  child->parent = place;
  child->mount = place->mount;
  child->is_overlay = place->is_overlay;
  const size_t count = place->lowers.size() + 1;
  for (size_t i = 0; i < count; ++i) {
    if (i == 0 && !place->upper) continue;
    if (!spend(1)) return {};
    const HostDir& layer = i == 0 ? *place->upper : place->lowers[i - 1];
    auto opened = open_name(layer, name);
    if (!opened) {
      if (opened.error().code == ErrorCode::kNotFound) continue;
      report(opened.error());
      break;  // It is unknown what is here, and what it hides.
    }
    if (entry.kind == Entry::Kind::kNothing) {
      entry.path = path;
      entry.holder = layer;
      entry.name = name;
    }
    if (!take_layer(entry, *child, layer, i == 0, std::move(*opened))) break;
  }
  if (entry.kind == Entry::Kind::kDirectory) {
    child->watch = child->upper ? child->upper : place->watch;
    entry.place = std::move(child);
  }
  return entry;
}

// Adds what one layer has under a name, upper layers first. false: lower layers do not count.
bool PathWalk::take_layer(Entry& entry, Place& child, const HostDir& layer, bool is_upper,
                          OpenedName opened) {
  if (child.is_overlay && is_whiteout(opened)) return false;
  if (S_ISDIR(opened.facts.mode)) {
    if (entry.kind != Entry::Kind::kNothing && entry.kind != Entry::Kind::kDirectory) return false;
    entry.kind = Entry::Kind::kDirectory;
    return take_directory(child, layer, is_upper, entry.name, std::move(opened));
  }
  if (entry.kind == Entry::Kind::kFile) {
    if (S_ISREG(opened.facts.mode)) subtract_image(entry, opened);
    return false;
  }
  if (entry.kind != Entry::Kind::kNothing) return false;
  entry.kind = kind_of(opened.facts.mode);
  entry.is_collected = is_upper;
  entry.opened = std::move(opened);
  if (entry.kind != Entry::Kind::kFile || !is_upper || !child.is_overlay) return false;
  if (!overlay_marks(entry.opened.fd).is_metacopy) return true;
  refuse_metacopy(entry);
  return false;
}

// Its data comes when the container writes to it, and no event of the upper layer tells that.
void PathWalk::refuse_metacopy(Entry& entry) {
  problem(
      printable(entry.path) +
      " has its data in the image (overlay's metacopy): it is not collected until the container "
      "writes to it.");
  entry.is_collected = false;
  notes_.passing();
}

bool PathWalk::take_directory(Place& child, const HostDir& layer, bool is_upper,
                              const std::string& name, OpenedName opened) {
  if (!child.upper && child.lowers.empty()) child.owner = opened.facts.owner;
  HostDir directory{.fd = std::make_shared<Fd>(std::move(opened.fd)),
                    .path = join_path(layer.path, name),
                    .tree = layer.tree};
  bool goes_on = false;
  if (child.is_overlay) {
    const OverlayMarks marks = overlay_marks(*directory.fd);
    goes_on = !marks.is_opaque && !marks.is_redirected;
    if (marks.is_redirected) {
      problem("The directory " + printable(child.path) +
              " was renamed in the container (overlay's redirect_dir): its content from the "
              "image is not seen.");
    }
  }
  if (is_upper) {
    child.upper = std::move(directory);
  } else {
    child.lowers.push_back(std::move(directory));
  }
  return goes_on;
}

// A file in the upper layer that a lower one has too was copied up from the image, emptied, or
// replaced. If it still begins with the image's bytes, those are not part of the log.
void PathWalk::subtract_image(Entry& entry, const OpenedName& lower) {
  const uint64_t size = lower.facts.size_bytes;
  if (size == 0 || entry.opened.facts.size_bytes < size) return;
  // The mark of a metacopy may be hidden from us; its size is the image's.
  if (entry.opened.facts.size_bytes == size && is_hollow(entry.opened)) {
    return refuse_metacopy(entry);
  }
  if (!spend(limits::kCompareSteps) || !begins_with(entry.opened, lower)) return;
  if (is_of_image(entry, lower)) entry.image_bytes = size;
}

// Without the marks of overlayfs an opaque directory is not seen: a file that the container made in
// it may merely begin like the image's. The container's own view tells: there a file of the image
// keeps the inode number that it has in the image.
bool PathWalk::is_of_image(const Entry& entry, const OpenedName& lower) {
  if (trusts_marks_) return true;
  if (spec_.pid > 0) {
    if (!process_) process_ = ContainerProcess::open(spec_.pid, spec_.container_id, host_);
    const auto seen =
        *process_ ? (*process_)->inode_of(entry.path) : Result<uint64_t>(process_->error());
    if (seen && *seen == lower.facts.identity.inode) return true;
    if (seen && *seen == entry.opened.facts.identity.inode) return false;
  }
  problem(printable(entry.path) + " begins with the " + std::to_string(lower.facts.size_bytes) +
          " bytes that it has in the image. Whether the container wrote them anew cannot be told "
          "without CAP_SYS_ADMIN: they are collected too.");
  return false;
}

Entry PathWalk::follow(const PlacePtr& place, const Entry& link, size_t& links_left) {
  watch(*place);
  if (links_left == 0) {
    problem(printable(link.path) + " is a symlink that leads through too many symlinks.");
    return {};
  }
  --links_left;
  const std::string target = read_link(link.opened.fd);
  Entry entry = resolve(place, target, links_left);
  if (entry.kind == Entry::Kind::kNothing) {
    if (target.starts_with("/dev/std") || target.starts_with("/proc/")) {
      problem(printable(link.path) + " is a symlink to " + printable(target) +
              ", not a file: declare stdout or stderr instead.");
    }
    return entry;
  }
  const uint32_t owner = link.opened.facts.owner;
  if (owner == 0 || owner == entry.owner()) return entry;
  problem("The symlink " + printable(link.path) + " is not followed: its owner (uid " +
          std::to_string(owner) + ") is neither root nor the owner of its target (uid " +
          std::to_string(entry.owner()) + ").");
  return {};
}

Entry PathWalk::resolve(PlacePtr from, const std::string& target, size_t& links_left) {
  if (target.empty()) return {};
  const FsMount* const mount = from->mount;
  PlacePtr at = target.starts_with('/') ? root_ : std::move(from);
  bool left_mount = at->mount != mount;
  const std::vector<std::string> parts = split_path(target);
  for (size_t i = 0; i < parts.size(); ++i) {
    if (parts[i] == "..") {
      if (at->parent) at = at->parent;
      left_mount |= at->mount != mount;
      continue;
    }
    Entry entry = look_up(at, parts[i]);
    if (entry.kind == Entry::Kind::kSymlink) entry = follow(at, entry, links_left);
    if (entry.kind == Entry::Kind::kNothing) watch(*at);
    left_mount |= entry.left_mount || entry.mount != mount;
    entry.left_mount = left_mount;
    if (entry.kind == Entry::Kind::kDirectory) {
      at = entry.place;
    } else {
      return i + 1 == parts.size() ? std::move(entry) : Entry{};
    }
  }
  Entry entry;
  entry.kind = Entry::Kind::kDirectory;
  entry.path = at->path;
  entry.place = at;
  entry.mount = at->mount;
  entry.left_mount = left_mount;
  return entry;
}

std::string PathWalk::private_path(const std::string& path) const {
  if (!root_->upper) return {};
  const std::string reported = root_->upper->reported_path();
  return reported == "/" ? path : reported + path;
}

void PathWalk::list_on(Listing& listing, size_t names_max, std::vector<Name>& names) {
  const Place& place = *listing.place_;
  if (!std::exchange(listing.mounts_listed_, true)) {
    const std::string inside = place.path == "/" ? "/" : place.path + "/";
    for (const auto& [path, mount] : placed_) {
      if (!path.starts_with(inside)) continue;
      const std::string rest = path.substr(inside.size());
      listing.mounts_.insert(rest.substr(0, rest.find('/')));
    }
    for (const std::string& name : listing.mounts_) names.push_back({name, false});
  }
  while (!listing.is_done() && names.size() < names_max) {
    DirectoryName each;
    if (!open_layer(listing) || !listing.open_->next(each)) {
      if (listing.open_ != nullptr && listing.open_->error() != 0) {
        problem(printable(place.path) + ": " + std::strerror(listing.open_->error()));
      }
      listing.open_.reset();
      ++listing.layer_;
      continue;
    }
    if (!spend_name()) {
      listing.layer_ = place.lowers.size() + 1;
      return;
    }
    std::string name = each.name;
    if (listing.mounts_.contains(name) || is_in_higher_layer(listing, name)) continue;
    names.push_back({std::move(name), each.type == DT_REG});
  }
}

bool PathWalk::open_layer(Listing& listing) {
  if (listing.open_ != nullptr) return true;
  const Place& place = *listing.place_;
  if (listing.layer_ == 0 && !place.upper) return false;
  const HostDir& layer = listing.layer_ == 0 ? *place.upper : place.lowers[listing.layer_ - 1];
  auto fd = reopen_for_reading(*layer.fd);
  if (!fd) {
    report({fd.error().code, layer.path + ": " + fd.error().message});
    return false;
  }
  listing.open_ = std::make_unique<DirectoryNames>(std::move(*fd));
  return true;
}

// The uppermost layer says what a name is, and listed it already.
bool PathWalk::is_in_higher_layer(const Listing& listing, const std::string& name) {
  const Place& place = *listing.place_;
  if (listing.layer_ == 0) return false;
  if (place.upper && open_name_only(*place.upper, name)) return true;
  for (size_t i = 0; i + 1 < listing.layer_; ++i) {
    ++steps_;
    if (open_name_only(place.lowers[i], name)) return true;
  }
  return false;
}

bool PathWalk::has_mount_below(const std::string& path) const {
  const auto next = placed_.lower_bound(path + "/");
  return next != placed_.end() && next->first.starts_with(path + "/");
}

}  // namespace longshore::agent
