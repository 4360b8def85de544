#include "agent/files/container_process.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

namespace longshore::agent {
namespace {

// "/a:/b\:c" -> "/a", "/b:c": overlayfs escapes colons (and anything) with a backslash.
std::vector<std::string> split_lowers(std::string_view text) {
  std::vector<std::string> parts(1);
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) {
      parts.back().push_back(text[++i]);
    } else if (text[i] == ':') {
      if (!parts.back().empty()) parts.emplace_back();  // "::" precedes data-only layers.
    } else {
      parts.back().push_back(text[i]);
    }
  }
  if (parts.back().empty()) parts.pop_back();
  return parts;
}

bool names_container(const std::string& proc_path, const HostMounts& mounts,
                     const std::string& container_id) {
  if (container_id.empty()) return false;
  const auto cgroup = read_proc_file(proc_path + "/cgroup");
  if (cgroup && cgroup->find(container_id) != std::string::npos) return true;
  for (const MountEntry& entry : mounts.entries()) {
    // Of a mount's fields only the root is set by the host; the container chooses the mount point.
    if (entry.root.find(container_id) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

std::vector<std::string> parse_overlay_layers(const std::string& super_options) {
  std::string upper;
  std::vector<std::string> lowers;
  std::string_view rest = super_options;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find(','), rest.size());
    const std::string_view option = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const size_t equals = option.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view key = option.substr(0, equals);
    const std::string value = unescape_octal(option.substr(equals + 1));
    if (key == "upperdir") upper = value;
    if (key == "lowerdir" || key == "lowerdir+") {
      for (std::string& lower : split_lowers(value)) lowers.push_back(std::move(lower));
    }
  }
  if (!upper.starts_with('/')) return {};
  // A long list of layers is relative to the snapshots' directory: <directory>/<number>/fs.
  const std::string_view snapshots = parent_path(parent_path(upper));
  std::vector<std::string> layers = {upper};
  for (std::string& lower : lowers) {
    layers.push_back(lower.starts_with('/') ? std::move(lower) : join_path(snapshots, lower));
  }
  return layers;
}

Result<std::vector<std::string>> overlay_layers_of(int pid, const std::string& host_table) {
  const std::string of_process = "process " + std::to_string(pid);
  const HostMounts theirs({}, "/proc/" + std::to_string(pid) + "/mountinfo");
  const MountEntry* root = theirs.mount_of("/");
  if (root == nullptr || root->type != "overlay") {
    return Error{ErrorCode::kNotFound, "The root of " + of_process + " is not an overlay."};
  }
  const HostMounts ours({}, host_table);
  for (const MountEntry& entry : ours.entries()) {
    if (entry.type != "overlay" || entry.device != root->device) continue;
    auto layers = parse_overlay_layers(entry.super_options);
    if (!layers.empty()) return layers;
  }
  return Error{ErrorCode::kNotFound, "The overlay of " + of_process +
                                         " was not mounted by the host, so its options are not "
                                         "trusted."};
}

Result<ContainerProcess> ContainerProcess::open(int pid, const std::string& container_id,
                                                const HostDir& host) {
  const std::string name = "process " + std::to_string(pid);
  const std::string path = "/proc/" + std::to_string(pid);
  Fd process(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!process) return Error{ErrorCode::kNotFound, name + ": " + std::strerror(errno)};
  const std::string held = "/proc/self/fd/" + std::to_string(process.get());
  ContainerProcess opened(HostMounts(host.tree->mounts->allowed(), held + "/mountinfo"));
  if (!names_container(held, *opened.mounts_, container_id)) {
    return Error{ErrorCode::kNotFound,
                 name + " does not belong to container " + container_id + "."};
  }
  if (auto admitted = opened.mounts_->admits("/"); !admitted) return admitted.error();
  Fd root(::openat(process.get(), "root", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root) return Error{ErrorCode::kNotFound, name + "'s root: " + std::strerror(errno)};
  const auto theirs = checkpoint::file_facts(root.get());
  const auto ours = checkpoint::file_facts(host.tree->root->get());
  // A process on its way into the container, or one that left it, still sees the host.
  if (!theirs || !ours || theirs->identity == ours->identity) {
    return Error{ErrorCode::kNotFound, name + " has the host's root."};
  }
  opened.process_ = std::move(process);
  opened.tree_ = std::make_shared<HostTree>();
  opened.tree_->mounts = opened.mounts_.get();
  opened.tree_->reported_prefix = "tmpfs:" + container_id + ":";
  opened.tree_->root = std::make_shared<Fd>(std::move(root));
  return opened;
}

Result<HostDir> ContainerProcess::open_mount(const std::string& destination) const {
  const MountEntry* mount = mounts_->mount_of(destination);
  if (mount == nullptr || mount->point != destination) {
    return Error{ErrorCode::kNotFound, "Nothing is mounted at " + destination + "."};
  }
  return open_below({.fd = tree_->root, .path = "/", .tree = tree_}, destination);
}

Result<uint64_t> ContainerProcess::inode_of(const std::string& path) const {
  const auto parent =
      open_below({.fd = tree_->root, .path = "/", .tree = tree_}, std::string(parent_path(path)));
  if (!parent) return parent.error();
  const auto opened = open_name(*parent, std::string(last_component(path)));
  if (!opened) return opened.error();
  return opened->facts.identity.inode;
}

}  // namespace longshore::agent
