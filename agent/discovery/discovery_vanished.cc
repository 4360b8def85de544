// What the checkpoint knows and nobody follows: is its file still there?
#include <map>
#include <optional>
#include <set>

#include "agent/discovery/discovery.h"
#include "agent/files/host_dir.h"
#include "config/limits.h"

namespace longshore::agent {
namespace {

constexpr size_t kDirectoriesOpenMax = 64;

// Answers for many files of few directories. Only what is certainly not there is gone: a directory
// that cannot be opened or listed for now, or one of a network's, may hold it. No symlink is
// followed, for a container may have put it there, and it would lead anywhere on the host.
class HostFiles {
 public:
  explicit HostFiles(HostDir host) : host_(std::move(host)) {}

  bool is_gone(const std::string& host_path, const checkpoint::FileIdentity& identity);
  /// As rotated_siblings() of the path; none where there is no such directory.
  std::optional<std::vector<Sibling>> rotated(const std::string& host_path);

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
  const std::string parent = host_path.substr(0, host_path.rfind('/'));
  auto known = directories_.find(parent);
  if (known == directories_.end()) {
    if (directories_.size() == kDirectoriesOpenMax) directories_.clear();
    known = directories_.emplace(parent, Directory{open_below(host_, parent), {}, {}}).first;
  }
  return known->second;
}

bool HostFiles::is_gone(const std::string& host_path, const checkpoint::FileIdentity& identity) {
  if (!host_path.starts_with('/')) return true;  // In the memory of a container that is gone.
  const std::vector<std::string> parts = split_path(host_path);
  if (!is_plain_path(host_path) || parts.empty()) return false;
  Directory& directory = parent_of(host_path);
  if (!directory.opened) return directory.opened.error().code == ErrorCode::kNotFound;
  const auto named = open_name(*directory.opened, parts.back());
  if (named || named.error().code != ErrorCode::kNotFound) return false;
  // Renamed, in a volume that nobody declares for now: it waits there.
  if (!directory.files) directory.files = identities_in(*directory.opened->fd);
  return *directory.files && !directory.files->value().contains(identity);
}

std::optional<std::vector<Sibling>> HostFiles::rotated(const std::string& host_path) {
  if (!host_path.starts_with('/')) return std::vector<Sibling>();
  Directory& directory = parent_of(host_path);
  if (!directory.opened) return std::vector<Sibling>();
  return directory.look.rotated(*directory.opened->fd, host_path.substr(host_path.rfind('/') + 1));
}

}  // namespace

void Discovery::look_for_vanished() {
  everybody_declared_ = true;
  look_for_vanished(SIZE_MAX);
}

void Discovery::look_for_vanished(size_t files_max) {
  const int64_t now = clock_.monotonic_ns();
  if (now < next_vanished_look_ns_) return;
  auto host = open_tree(options_.host_root, mounts_);
  if (!host) return;
  next_vanished_look_ns_ = now + limits::kVanishedLookNs;
  HostFiles files(std::move(*host));
  for (auto& [id, lineage] : lineages_) {
    const bool remembered = lineage.newest != checkpoint::FileIdentity{} && !lineage.gone;
    if (lineage.spec != nullptr || !remembered) continue;
    if (lineage.next_look_ns > now) {
      next_vanished_look_ns_ = std::min(next_vanished_look_ns_, lineage.next_look_ns);
      continue;
    }
    if (files_max-- == 0) {
      next_vanished_look_ns_ = now;
      return;
    }
    lineage.next_look_ns = now + limits::kVanishedLookNs;
    if (!files.is_gone(lineage.host_path, lineage.newest)) continue;
    // What it was rotated to since waits there for who declares it again.
    const auto rotated = files.rotated(lineage.host_path);
    if (!rotated || youngest_since(*rotated, lineage) != nullptr) continue;
    auto spec = std::make_shared<SourceSpec>();
    spec->id = id;
    spec->lane = lineage.lane;
    spec->declaration = std::make_shared<const Declaration>(
        Declaration{.name = lineage.by->name, .stream = lineage.stream});
    spec->host_path = spec->container_path = lineage.host_path;
    spec->container_id = lineage.by->container_id;
    spec->container_name = lineage.by->container_name;
    lineage.gone = true;
    post_(lineage.lane, SourceVanished{std::move(spec)});
  }
}

}  // namespace longshore::agent
