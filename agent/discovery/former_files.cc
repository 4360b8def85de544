#include "agent/discovery/former_files.h"

#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <deque>
#include <tuple>
#include <utility>

#include "agent/discovery/name_family.h"
#include "agent/discovery/rotated_name.h"
#include "config/path.h"

namespace longshore::agent {
namespace {

// A listing is cheaper than an opened name.
size_t listing_steps(size_t names) { return 1 + names / limits::kFormerNamesPerStep; }

FormerFile former(const HostDir& directory, NamedFile file) {
  std::string path = join_path(directory.path, file.file_name);
  return {.directory = directory.fd, .file = std::move(file), .host_path = std::move(path)};
}

std::optional<FormerFile> named(const HostDir& directory, const std::string& name,
                                const checkpoint::FileIdentity& identity) {
  auto opened = open_name(directory, name);
  if (!opened || !S_ISREG(opened->facts.mode) || opened->facts.identity != identity) {
    return std::nullopt;
  }
  return former(directory, {name, opened->facts});
}

bool is_host_path(const std::string& path) { return path.starts_with('/') && is_plain_path(path); }

bool lies_in_one_of(const std::string& path, const std::vector<WatchDir>& directories) {
  return std::ranges::any_of(directories, [&](const WatchDir& each) {
    return is_host_path(each.host_path) && lies_within(path, each.host_path);
  });
}

// Of files that were born at the same tick of the clock, the one with the higher number is the
// later one: each of them may have been written to after the other was.
bool is_earlier(const FormerFile& a, const FormerFile& b) {
  const auto order = [](const FormerFile& each) {
    return std::tuple(age_ns(each.file.facts), each.host_path.size(), each.host_path);
  };
  return order(a) < order(b);
}

void keep_earlier(const FormerFile& than, std::vector<FormerFile>& files) {
  std::erase_if(files, [&](const FormerFile& each) { return !is_earlier(each, than); });
}

void keep_later(const FormerFile& than, std::vector<FormerFile>& files) {
  std::erase_if(files, [&](const FormerFile& each) {
    return each.file.facts.identity == than.file.facts.identity || !is_earlier(than, each);
  });
}

}  // namespace

bool FormerFiles::spend(size_t steps) {
  if (steps_left_ < steps) {
    steps_left_ = 0;
    return false;
  }
  steps_left_ -= steps;
  return true;
}

const HostDir* FormerFiles::host() {
  if (!host_) host_ = open_tree(host_root_, mounts_);
  return *host_ ? &host_->value() : nullptr;
}

std::optional<HostDir> FormerFiles::enter(const HostDir& directory, const std::string& path) {
  if (!spend(1)) return std::nullopt;
  auto entered = open_below(directory, path);
  return entered ? std::optional(std::move(*entered)) : std::nullopt;
}

std::optional<FormerFile> FormerFiles::find(const checkpoint::FileIdentity& identity,
                                            const std::string& last_path,
                                            const std::vector<WatchDir>& directories) {
  if (auto found = in_parent(last_path, identity)) return found;
  const std::string parent(parent_path(last_path));
  if (searched_.contains(parent)) return std::nullopt;
  for (const WatchDir& each : directories) {
    if (!spend(1)) break;
    auto file = find_identity(*each.directory, identity);
    if (!file) continue;
    std::string path = join_path(each.host_path, file->file_name);
    return FormerFile{each.directory, std::move(*file), std::move(path)};
  }
  auto found = beside(last_path, identity);
  if (!found) found = below(directories, identity);
  if (!found) searched_.insert(parent);
  return found;
}

// In the directory of `path`: under that name, or under another one.
std::optional<FormerFile> FormerFiles::in_parent(const std::string& path,
                                                 const checkpoint::FileIdentity& identity) {
  if (!is_host_path(path) || host() == nullptr) return std::nullopt;
  const auto [at, is_new] = parents_.try_emplace(std::string(parent_path(path)));
  Parent& parent = at->second;
  if (is_new) {
    if (auto opened = open_below(*host(), at->first)) parent.directory = std::move(*opened);
  }
  if (!parent.directory) return std::nullopt;
  if (auto found = named(*parent.directory, std::string(last_component(path)), identity)) {
    return found;
  }
  auto file = parent.look.find(*parent.directory->fd, identity);
  return file ? std::optional(former(*parent.directory, std::move(*file))) : std::nullopt;
}

// Breadth first: the nearest are the likeliest.
std::optional<FormerFile> FormerFiles::below(const std::vector<WatchDir>& directories,
                                             const checkpoint::FileIdentity& identity) {
  struct Below {
    HostDir directory;
    size_t depth;
  };
  std::deque<Below> queue;
  for (const WatchDir& each : directories) {
    if (!is_host_path(each.host_path) || host() == nullptr) continue;
    if (auto at = enter(*host(), each.host_path)) queue.push_back({std::move(*at), 0});
  }
  for (; !queue.empty(); queue.pop_front()) {
    const auto& [at, depth] = queue.front();
    if (depth > 0 && spend(1)) {
      if (auto file = find_identity(*at.fd, identity)) return former(at, std::move(*file));
    }
    if (depth == limits::kFormerDepthMax) continue;
    const auto names = list_names(at, steps_left_ * limits::kFormerNamesPerStep);
    if (!names || !spend(listing_steps(names->size()))) return std::nullopt;
    for (const ListedName& name : *names) {
      if (name.type != DT_DIR && name.type != DT_UNKNOWN) continue;
      if (queue.size() == limits::kFormerDirectoriesOpenMax) break;
      if (auto child = enter(at, "/" + name.name)) queue.push_back({std::move(*child), depth + 1});
    }
  }
  return std::nullopt;
}

// /srv/app/logs/app.log may be /srv/app.old/logs/app.log now: each directory on the way may have
// been renamed.
std::optional<FormerFile> FormerFiles::beside(const std::string& last_path,
                                              const checkpoint::FileIdentity& identity) {
  if (!is_host_path(last_path) || host() == nullptr) return std::nullopt;
  const std::string name(last_component(last_path));
  if (!moved_from_.empty() && lies_within(last_path, moved_from_)) {
    const std::string path = moved_to_ + last_path.substr(moved_from_.size());
    if (auto found = in_parent(path, identity)) return found;
  }
  std::string renamed(parent_path(last_path));
  for (size_t level = 0; level < limits::kFormerDepthMax && renamed.size() > 1; ++level) {
    const std::string parent(parent_path(renamed));
    const std::string rest = last_path.substr(renamed.size());
    const auto at = enter(*host(), parent);
    const auto names = at ? list_names(*at, steps_left_ * limits::kFormerNamesPerStep)
                          : Result<std::vector<ListedName>>(std::vector<ListedName>());
    if (!names || !spend(listing_steps(names->size()))) return std::nullopt;
    for (const ListedName& each : *names) {
      if (each.type != DT_DIR && each.type != DT_UNKNOWN) continue;
      const std::string beside = join_path(parent, each.name);
      if (beside == renamed) continue;
      const auto there = enter(*at, join_path("/" + each.name, parent_path(rest).substr(1)));
      if (!there && steps_left_ == 0) return std::nullopt;
      auto found = there ? named(*there, name, identity) : std::nullopt;
      if (!found) continue;
      moved_from_ = renamed;
      moved_to_ = beside;
      return found;
    }
    renamed = parent;
  }
  return std::nullopt;
}

FormerFiles::Found FormerFiles::between(const FormerFile& from, const FormerFile& to,
                                        const std::vector<WatchDir>& directories,
                                        const IsKnown& is_known) {
  if (age_ns(from.file.facts) == 0) return {};  // Nothing tells what is older.
  const std::vector<std::string> one = split_path(from.host_path);
  const std::vector<std::string> other = split_path(to.host_path);
  if (one.size() != other.size() || one.empty()) return {};
  std::string common = "/";
  size_t index = 0;
  for (; index + 1 < one.size() && one[index] == other[index]; ++index) {
    common = join_path(common, one[index]);
  }
  std::vector<NameFamily> families;
  for (; index < one.size(); ++index) families.emplace_back(one[index], other[index]);
  if (std::ranges::any_of(families, &NameFamily::is_empty)) return {};
  if (!lies_in_one_of(common, directories)) return {};
  std::vector<FormerFile> found = family(common, to, families, is_known);
  keep_later(from, found);
  keep_earlier(to, found);
  return found;
}

FormerFiles::Found FormerFiles::moved(const FormerFile& from, const FormerFile& to,
                                      const std::vector<WatchDir>& directories, bool anywhere,
                                      const IsKnown& is_known) {
  if (age_ns(from.file.facts) == 0) return {};
  const std::vector<std::string> there = split_path(from.host_path);
  const std::vector<std::string> here = split_path(to.host_path);
  if (there.size() != here.size()) return {};
  const auto differs = std::ranges::mismatch(there, here).in1;
  const auto at = static_cast<size_t>(differs - there.begin());
  if (at + limits::kFormerDepthMax < there.size()) return {};
  std::string common = "/";
  std::vector<NameFamily> families;
  for (size_t i = 0; i < there.size(); ++i) {
    if (i < at && i + 1 < there.size()) {
      common = join_path(common, there[i]);
    } else {
      families.push_back(NameFamily::of_link(there[i], here[i]));
    }
  }
  if (!anywhere && !lies_in_one_of(common, directories)) return {};
  std::vector<FormerFile> found = family(common, to, families, is_known);
  keep_later(from, found);
  return found;
}

std::vector<FormerFile> FormerFiles::before(const FormerFile& first, const std::string& link_path,
                                            int64_t since_ns,
                                            const std::vector<WatchDir>& directories,
                                            const IsKnown& is_known) {
  std::string common(parent_path(link_path));
  if (!lies_within(first.host_path, common)) common = parent_path(first.host_path);
  const std::vector<std::string> below = split_path(first.host_path.substr(common.size()));
  if (below.size() > limits::kFormerDepthMax) return {};
  const std::string link = link_path.substr(std::min(link_path.size(), common.size()));
  std::vector<NameFamily> families;
  for (const std::string& name : below) families.push_back(NameFamily::of_link(name, link));
  if (!lies_in_one_of(common, directories)) return {};
  std::vector<FormerFile> found = family(common, first, families, is_known);
  keep_earlier(first, found);
  std::erase_if(found,
                [&](const FormerFile& each) { return each.file.facts.modified_ns < since_ns; });
  return found;
}

// The files below `common` whose names belong to `families`, one for each component, and that were
// written before `last` was born.
std::vector<FormerFile> FormerFiles::family(const std::string& common, const FormerFile& last,
                                            const std::vector<NameFamily>& families,
                                            const IsKnown& is_known) {
  std::vector<FormerFile> found;
  if (!is_host_path(last.host_path) || host() == nullptr) return found;
  if (std::ranges::any_of(families, &NameFamily::is_empty)) return found;
  const auto at = enter(*host(), common);
  if (at) gather(*at, 0, families, found);
  const int64_t turned = age_ns(last.file.facts);
  std::erase_if(found, [&](const FormerFile& each) {
    const checkpoint::FileFacts& facts = each.file.facts;
    return facts.identity == last.file.facts.identity || is_known(facts.identity) ||
           age_ns(facts) > turned || facts.modified_ns > turned + limits::kLateWritesNs;
  });
  std::ranges::sort(found, is_earlier);
  return found;
}

void FormerFiles::gather(const HostDir& at, size_t index, const std::vector<NameFamily>& families,
                         std::vector<FormerFile>& found) {
  const auto names = list_names(at, steps_left_ * limits::kFormerNamesPerStep);
  if (!names || !spend(listing_steps(names->size()))) return;
  for (const ListedName& each : *names) {
    if (!families[index].contains(each.name)) continue;
    if (index + 1 < families.size()) {
      if (const auto child = enter(at, "/" + each.name)) {
        gather(*child, index + 1, families, found);
      }
      continue;
    }
    if (is_compressed(each.name) || !spend(1)) continue;
    auto opened = open_name(at, each.name);
    if (!opened || !S_ISREG(opened->facts.mode)) continue;
    if (found.size() == limits::kFormerFilesMax) return;
    found.push_back(former(at, {each.name, opened->facts}));
  }
}

}  // namespace longshore::agent
