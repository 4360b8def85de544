// How a walk starts: opens the layers and resolves where the mounts are.
#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "agent/files/path_walk.h"
#include "config/limits.h"

namespace longshore::agent {
namespace {

// `error` came of a name in `parent`, which may be a symlink rather than a directory.
Error not_entered(const HostDir& parent, const Error& error) {
  const auto facts = checkpoint::file_facts(parent.fd->get());
  if (!facts || !S_ISLNK(facts->mode)) return error;
  return {ErrorCode::kInvalid,
          parent.path +
              " is a symlink: those on the way to a layer or to a mount's source are not followed"};
}

}  // namespace

PlacePtr PathWalk::start() {
  steps_left_ = limits::kScanStepsMax;
  names_left_ = limits::kScanNamesMax;
  auto host = open_tree(host_root_, mounts_);
  if (!host) {
    report(host.error());
    return nullptr;
  }
  host_ = std::move(*host);
  open_layers();
  place_mounts();
  return root_;
}

void PathWalk::open_layers() {
  auto root = std::make_shared<Place>();
  root->path = "/";
  root->is_overlay = spec_.layers_are_overlay;
  std::vector<std::string> layers = spec_.layers;
  if (layers.empty() && spec_.pid > 0) {
    // The pid may belong to another process by now; ContainerProcess checks.
    if (!process_) process_ = ContainerProcess::open(spec_.pid, spec_.container_id, host_);
    if (!*process_) {
      rootless_reason_ = process_->error().message;
    } else if (auto found = overlay_layers_of(spec_.pid)) {
      layers = std::move(*found);
    } else {
      rootless_reason_ = found.error().message;
    }
  }
  if (layers.empty()) {
    rootless_reason_ =
        "The storage driver does not tell where the container's files are; only logs in its "
        "volumes "
        "and bind mounts can be collected. " +
        rootless_reason_;
  }
  for (size_t i = 0; i < layers.size() && (i == 0 || root->is_overlay); ++i) {
    auto directory = open_directory(layers[i]);
    if (!directory) {
      if (i == 0 && directory.error().code != ErrorCode::kNotFound) {
        rootless_reason_ = printable(directory.error().message);
      } else {
        cannot_enter("", directory.error());
      }
      continue;
    }
    if (i == 0) {
      if (auto facts = checkpoint::file_facts(directory->fd->get())) root->owner = facts->owner;
      root->upper = std::move(*directory);
    } else {
      root->lowers.push_back(std::move(*directory));
    }
  }
  root->watch = root->upper;
  root_ = std::move(root);
}

// The runtime resolves a destination in the image before it mounts: with /var/run -> /run a mount
// at /var/run/app is one at /run/app. Shorter ones come first: others may lie below them.
void PathWalk::place_mounts() {
  std::vector<const FsMount*> mounts;
  for (const FsMount& mount : spec_.mounts) mounts.push_back(&mount);
  std::stable_sort(mounts.begin(), mounts.end(), [](const FsMount* a, const FsMount* b) {
    return a->destination.size() < b->destination.size();
  });
  is_placing_ = true;
  for (const FsMount* mount : mounts) {
    if (is_plain_path(mount->destination)) {
      name_steps_ = 0;
      placed_[canonical_destination(mount->destination)] = mount;
    }
  }
  is_placing_ = false;
}

std::string PathWalk::canonical_destination(const std::string& destination) {
  size_t links_left = limits::kSymlinksMax;
  PlacePtr at = root_;
  const std::vector<std::string> parts = split_path(destination);
  for (size_t i = 0; i < parts.size(); ++i) {
    Entry entry = look_up(at, parts[i]);
    if (entry.kind == Entry::Kind::kSymlink) entry = follow(at, entry, links_left);
    if (entry.kind == Entry::Kind::kDirectory) {
      at = entry.place;
      continue;
    }
    // It does not exist yet, or is a file: the rest is taken as written.
    std::string path = at->path;
    for (; i < parts.size(); ++i) path = join_path(path, parts[i]);
    return path;
  }
  return at->path;
}

Result<PathWalk::Source> PathWalk::open_source(const std::string& path) {
  if (!is_plain_path(path)) return Error{ErrorCode::kInvalid, path + " is not a usable path."};
  const std::vector<std::string> parts = split_path(path);
  if (auto admitted = mounts_.admits(host_.tree->seen_prefix + path); !admitted) {
    return admitted.error();
  }
  if (chain_.empty()) chain_.push_back(host_);
  Source source{.parent = chain_.front(), .name = "", .opened = {}};
  for (size_t i = 0; i < parts.size(); ++i) {
    source.name = parts[i];
    if (i + 1 == parts.size()) break;
    // The layers of one container share most of their path: the directories opened last are kept.
    const std::string next = join_path(source.parent.path, parts[i]);
    if (chain_.size() > i + 1 && chain_[i + 1].path != next) chain_.resize(i + 1);
    if (chain_.size() == i + 1) {
      auto fd = open_name_only(source.parent, parts[i]);
      if (!fd) return not_entered(source.parent, fd.error());
      chain_.push_back({std::make_shared<Fd>(std::move(*fd)), next, host_.tree});
    }
    source.parent = chain_[i + 1];
  }
  if (source.name.empty()) {
    auto facts = checkpoint::file_facts(host_.fd->get());
    if (!facts) return facts.error();
    source.opened.facts = *facts;
    return source;
  }
  auto opened = open_name(source.parent, source.name);
  if (!opened) return not_entered(source.parent, opened.error());
  source.opened = std::move(*opened);
  return source;
}

Result<HostDir> PathWalk::open_directory(const std::string& path) {
  auto source = open_source(path);
  if (!source) return source.error();
  if (source->name.empty()) return host_;
  if (!S_ISDIR(source->opened.facts.mode)) {
    return Error{ErrorCode::kInvalid, path + " is not a directory, or a symlink to one."};
  }
  return HostDir{.fd = std::make_shared<Fd>(std::move(source->opened.fd)),
                 .path = join_path(source->parent.path, source->name),
                 .tree = host_.tree};
}

Entry PathWalk::enter_mount(const PlacePtr& place, const std::string& path, const FsMount& mount) {
  auto source = open_source(mount.source);
  Entry entry;
  if (!source) {
    cannot_enter("The mount at " + printable(path) + " cannot be entered: ", source.error());
    return entry;
  }
  entry.path = path;
  if (S_ISDIR(source->opened.facts.mode)) {
    auto child = std::make_shared<Place>();
    child->path = path;
    child->parent = place;
    child->owner = source->opened.facts.owner;
    if (auto kept = kept_mount(path, source->opened.facts.identity)) {
      child->upper = std::move(*kept);
    } else if (source->name.empty()) {
      child->upper = host_;
    } else {
      child->upper = HostDir{.fd = std::make_shared<Fd>(std::move(source->opened.fd)),
                             .path = join_path(source->parent.path, source->name),
                             .tree = host_.tree};
    }
    child->watch = child->upper;
    child->mount = &mount;
    entry.kind = Entry::Kind::kDirectory;
    entry.place = std::move(child);
    return entry;
  }
  if (S_ISLNK(source->opened.facts.mode)) {
    problem("The mount at " + printable(path) + " is not entered: its source " +
            printable(mount.source) + " is a symlink now.");
    return {};
  }
  entry.kind = S_ISREG(source->opened.facts.mode) ? Entry::Kind::kFile : Entry::Kind::kOther;
  entry.holder = source->parent;
  entry.name = source->name;
  entry.opened = std::move(source->opened);
  return entry;
}

// What the running container has at `path`, if that is not `source`: since the container was
// started, the source's directory was renamed on the host, or something was mounted over it.
std::optional<HostDir> PathWalk::kept_mount(const std::string& path,
                                            const checkpoint::FileIdentity& source) {
  if (spec_.pid <= 0) return std::nullopt;
  if (!process_) process_ = ContainerProcess::open(spec_.pid, spec_.container_id, host_);
  if (!*process_) return std::nullopt;
  auto kept = (*process_)->open_mount(path);
  if (!kept) return std::nullopt;
  const auto facts = checkpoint::file_facts(kept->fd->get());
  if (!facts || facts->identity == source) return std::nullopt;
  return std::move(*kept);
}

Entry PathWalk::enter_live_mount(const PlacePtr& place, const std::string& path,
                                 const FsMount& mount) {
  if (spec_.pid <= 0) return {};
  if (!process_) process_ = ContainerProcess::open(spec_.pid, spec_.container_id, host_);
  if (!*process_) {
    report(process_->error());
    return {};
  }
  auto directory = (*process_)->open_mount(path);
  if (!directory) {
    report(directory.error());
    return {};
  }
  Entry entry;
  entry.kind = Entry::Kind::kDirectory;
  entry.path = path;
  auto child = std::make_shared<Place>();
  child->path = path;
  child->parent = place;
  if (auto facts = checkpoint::file_facts(directory->fd->get())) child->owner = facts->owner;
  child->upper = std::move(*directory);
  child->watch = child->upper;
  child->mount = &mount;
  entry.place = std::move(child);
  return entry;
}

}  // namespace longshore::agent
