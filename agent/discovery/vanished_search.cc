#include "agent/discovery/vanished_search.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "agent/discovery/directory_look.h"
#include "agent/files/host_dir.h"
#include "config/limits.h"
#include "config/path.h"

namespace longshore::agent {
namespace {

// Answers for many files in few directories. A file is gone only if it certainly does not exist: a
// directory that cannot be opened or listed now, or one on a network, may still hold it. Symlinks
// are not followed: a container may have made them, and they could lead anywhere on the host.
class HostFiles {
 public:
  explicit HostFiles(HostDir host) : host_(std::move(host)) {}

  bool is_gone(const std::string& host_path, const checkpoint::FileIdentity& identity);
  /// As rotated_files() of the path; none if there is no such directory.
  std::optional<std::vector<NamedFile>> rotated(const std::string& host_path);

 private:
  struct Directory {
    Result<HostDir> opened;
    std::optional<Result<std::set<checkpoint::FileIdentity>>> files;
    DirectoryLook look;
  };
  Directory& parent_of(const std::string& host_path);

  HostDir host_;
  std::map<std::string, Directory> directories_;
};

HostFiles::Directory& HostFiles::parent_of(const std::string& host_path) {
  const std::string parent(parent_path(host_path));
  auto known = directories_.find(parent);
  if (known == directories_.end()) {
    if (directories_.size() == limits::kVanishedDirectoriesOpenMax) directories_.clear();
    known = directories_.emplace(parent, Directory{open_below(host_, parent), {}, {}}).first;
  }
  return known->second;
}

bool HostFiles::is_gone(const std::string& host_path, const checkpoint::FileIdentity& identity) {
  if (!host_path.starts_with('/')) return true;  // Was in the memory of a container that is gone.
  const std::vector<std::string> parts = split_path(host_path);
  if (!is_plain_path(host_path) || parts.empty()) return false;
  Directory& directory = parent_of(host_path);
  if (!directory.opened) return directory.opened.error().code == ErrorCode::kNotFound;
  const auto named = open_name(*directory.opened, parts.back());
  if (named || named.error().code != ErrorCode::kNotFound) return false;
  // It may wait there under another name, in a volume that nobody declares at present.
  if (!directory.files) directory.files = identities_in(*directory.opened->fd);
  return *directory.files && !directory.files->value().contains(identity);
}

std::optional<std::vector<NamedFile>> HostFiles::rotated(const std::string& host_path) {
  if (!host_path.starts_with('/')) return std::vector<NamedFile>();
  Directory& directory = parent_of(host_path);
  if (!directory.opened) return std::vector<NamedFile>();
  return directory.look.rotated(*directory.opened->fd, std::string(last_component(host_path)));
}

}  // namespace

VanishedSearch::Vanished VanishedSearch::look(size_t files_max) {
  Vanished vanished;
  const int64_t now = clock_.monotonic_ns();
  if (now < next_look_ns_) return vanished;
  auto host = open_tree(host_root_, mounts_);
  if (!host) return vanished;
  next_look_ns_ = now + limits::kVanishedLookNs;
  HostFiles files(std::move(*host));
  for (auto& [id, source] : known_.all()) {
    if (source.is_followed() || !source.has_generation() || is_file_gone(source.life)) continue;
    if (source.next_look_ns > now) {
      next_look_ns_ = std::min(next_look_ns_, source.next_look_ns);
      continue;
    }
    if (files_max-- == 0) {
      next_look_ns_ = now;
      return vanished;
    }
    source.next_look_ns = now + limits::kVanishedLookNs;
    if (!files.is_gone(source.file_path, source.newest)) continue;
    // Files that it was rotated to since then wait for the next log that declares them.
    const auto may_go_on = [&, &known = source](const std::string& path) {
      const auto rotated = files.rotated(path);
      return !rotated || rotation_.successor(known, *rotated) != nullptr;
    };
    if (may_go_on(source.file_path)) continue;
    if (source.is_linked() && may_go_on(source.host_path)) continue;
    source.life = after(source.life, checkpoint::SourceEvent::kVanished);
    auto spec = std::make_shared<SourceSpec>();
    spec->id = id;
    spec->lane = source.lane;
    spec->declaration = std::make_shared<const Declaration>(
        Declaration{.name = source.by->name, .stream = source.stream});
    spec->host_path = spec->container_path = source.host_path;
    spec->container_id = source.by->container_id;
    spec->container_name = source.by->container_name;
    vanished.push_back(std::move(spec));
  }
  return vanished;
}

}  // namespace longshore::agent
