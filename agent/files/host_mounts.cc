#include "agent/files/host_mounts.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

#include "config/fd.h"
#include "config/limits.h"

namespace longshore::agent {
namespace {

constexpr std::array<std::string_view, 9> kLocalTypes = {"ext2", "ext3", "ext4",    "xfs",  "btrfs",
                                                         "zfs",  "f2fs", "overlay", "tmpfs"};

bool is_octal(char c) { return c >= '0' && c <= '7'; }

std::string_view next_field(std::string_view& line) {
  const size_t end = std::min(line.find(' '), line.size());
  const std::string_view field = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return field;
}

bool parse_number(std::string_view text, uint64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

bool parse_line(std::string_view line, MountEntry& entry) {
  if (!parse_number(next_field(line), entry.id)) return false;
  if (!parse_number(next_field(line), entry.parent)) return false;
  entry.device = next_field(line);
  entry.root = unescape_octal(next_field(line));
  entry.point = unescape_octal(next_field(line));
  next_field(line);  // The mount's own options.
  while (!line.empty() && next_field(line) != "-") {
  }
  entry.type = next_field(line);
  next_field(line);  // The source: any text, chosen by whoever mounted it.
  entry.super_options = next_field(line);
  return !entry.type.empty() && entry.point.starts_with('/');
}

}  // namespace

std::string unescape_octal(std::string_view text) {
  std::string plain;
  plain.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() && is_octal(text[i + 1]) && is_octal(text[i + 2]) &&
        is_octal(text[i + 3])) {
      const int code = (text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0');
      plain.push_back(static_cast<char>(code));
      i += 3;
    } else {
      plain.push_back(text[i]);
    }
  }
  return plain;
}

std::vector<MountEntry> parse_mountinfo(std::string_view text) {
  std::vector<MountEntry> entries;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    MountEntry entry;
    if (parse_line(text.substr(0, end), entry)) entries.push_back(std::move(entry));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return entries;
}

Result<std::string> read_proc_file(const std::string& path) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file) return Error{ErrorCode::kNotFound, path + ": " + std::strerror(errno)};
  std::string text;
  std::array<char, 65536> part;
  while (text.size() < limits::kProcFileBytesMax) {
    const ssize_t got = ::read(file.get(), part.data(), part.size());
    if (got == 0) return text;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Error{ErrorCode::kNotFound, path + ": " + std::strerror(errno)};
    text.append(part.data(), static_cast<size_t>(got));
  }
  return Error{ErrorCode::kNotFound, path + " is too long."};
}

bool lies_within(std::string_view path, std::string_view prefix) {
  if (prefix == "/") return path.starts_with('/');
  return path.starts_with(prefix) && (path.size() == prefix.size() || path[prefix.size()] == '/');
}

HostMounts::HostMounts(std::vector<std::string> allowed, std::string mountinfo_path)
    : allowed_(std::move(allowed)), mountinfo_path_(std::move(mountinfo_path)) {
  refresh();
}

void HostMounts::refresh() {
  auto text = read_proc_file(mountinfo_path_);
  if (!text || *text == text_) return;
  text_ = std::move(*text);
  entries_ = parse_mountinfo(text_);
}

const MountEntry* HostMounts::nearest_child(const MountEntry& mount,
                                            const std::string& path) const {
  const MountEntry* nearest = nullptr;
  for (const MountEntry& entry : entries_) {
    if (entry.parent != mount.id || entry.id == mount.id) continue;
    if (!lies_within(path, entry.point) || !lies_within(entry.point, mount.point)) continue;
    // No two children share a point. If the table changed while it was read, the later one wins.
    if (nearest == nullptr || entry.point.size() <= nearest->point.size()) nearest = &entry;
  }
  return nearest;
}

const MountEntry* HostMounts::mount_of(const std::string& path) const {
  const MountEntry* mount = nullptr;
  for (const MountEntry& entry : entries_) {
    if (entry.point != "/") continue;
    const bool has_parent = std::any_of(entries_.begin(), entries_.end(), [&](const auto& other) {
      return other.id == entry.parent && other.id != entry.id;
    });
    if (!has_parent) mount = &entry;
  }
  // A chain longer than the table would mean a loop.
  for (size_t steps = 0; mount != nullptr && steps < entries_.size(); ++steps) {
    const MountEntry* child = nearest_child(*mount, path);
    if (child == nullptr) break;
    mount = child;
  }
  return mount;
}

Result<std::string> HostMounts::admits(const std::string& path) const {
  const MountEntry* mount = mount_of(path);
  if (mount == nullptr) {
    return Error{ErrorCode::kInvalid,
                 mountinfo_path_ + " does not list the mount that " + path + " is on."};
  }
  const bool known =
      std::find(kLocalTypes.begin(), kLocalTypes.end(), mount->type) != kLocalTypes.end() ||
      std::find(allowed_.begin(), allowed_.end(), mount->type) != allowed_.end();
  if (known) return mount->type;
  return Error{ErrorCode::kInvalid, "The " + mount->type + " file system at " + mount->point +
                                        " is not read, because it may hang. To read it all the "
                                        "same, start the agent with --allow-fs " +
                                        mount->type + "."};
}

}  // namespace longshore::agent
