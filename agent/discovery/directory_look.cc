#include "agent/discovery/directory_look.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "agent/discovery/rotated_name.h"
#include "config/directory.h"
#include "config/limits.h"

namespace longshore::agent {
namespace {

// Calls `visit` for each file until it returns false. Returns whether no file can have been missed.
template <typename Visit>
bool for_each_file(const Fd& directory, Visit visit) {
  Fd readable(::openat(directory.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!readable) return false;
  size_t seen = 0;
  const int failed = for_each_name(std::move(readable), [&](const char* name, unsigned char type) {
    if (++seen > limits::kDirectoryEntriesMax) return false;
    if (type != DT_REG && type != DT_UNKNOWN) return true;
    return visit(std::string(name));
  });
  return failed == 0 && seen <= limits::kDirectoryEntriesMax;
}

std::optional<NamedFile> regular_file(const Fd& directory, const std::string& name) {
  const auto facts = checkpoint::file_facts_at(directory.get(), name.c_str());
  if (!facts || !S_ISREG(facts.value().mode)) return std::nullopt;
  return NamedFile{name, facts.value()};
}

void sort_oldest_first(std::vector<NamedFile>& files) {
  std::sort(files.begin(), files.end(), [](const NamedFile& a, const NamedFile& b) {
    const int left = rotation_number(a.file_name), right = rotation_number(b.file_name);
    if (left != right) return left < 0 || (right >= 0 && left > right);
    const int64_t left_ns = a.facts.identity.born_ns(), right_ns = b.facts.identity.born_ns();
    return std::tie(left_ns, a.file_name) < std::tie(right_ns, b.file_name);
  });
}

std::vector<NamedFile> list_rotated(const Fd& directory, const std::string& base) {
  std::vector<NamedFile> files;
  for_each_file(directory, [&](const std::string& name) {
    if (is_compressed(name) || rotated_base(name) != base) return true;
    if (auto file = regular_file(directory, name)) files.push_back(std::move(*file));
    return true;
  });
  sort_oldest_first(files);
  return files;
}

bool same(const std::vector<NamedFile>& left, const std::vector<NamedFile>& right) {
  return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                    [](const NamedFile& a, const NamedFile& b) {
                      return a.file_name == b.file_name && a.facts.identity == b.facts.identity;
                    });
}

}  // namespace

std::optional<std::vector<NamedFile>> rotated_files(const Fd& directory, const std::string& base) {
  // readdir(3) may miss a file that is renamed meanwhile; two equal listings have missed none.
  std::vector<NamedFile> files = list_rotated(directory, base);
  for (int again = 0; again < limits::kListingsMax; ++again) {
    std::vector<NamedFile> now = list_rotated(directory, base);
    if (same(files, now)) return files;
    files = std::move(now);
  }
  return std::nullopt;
}

std::set<std::string> rotated_bases(const Fd& directory) {
  std::set<std::string> bases;
  for_each_file(directory, [&](const std::string& name) {
    if (is_compressed(name)) return true;
    if (auto base = rotated_base(name)) bases.insert(std::move(*base));
    return true;
  });
  return bases;
}

std::optional<NamedFile> find_identity(const Fd& directory,
                                       const checkpoint::FileIdentity& identity) {
  std::optional<NamedFile> found;
  for_each_file(directory, [&](const std::string& name) {
    auto file = regular_file(directory, name);
    if (!file || file->facts.identity != identity) return true;
    found = std::move(file);
    return false;
  });
  return found;
}

Result<std::set<checkpoint::FileIdentity>> identities_in(const Fd& directory) {
  std::set<checkpoint::FileIdentity> found;
  bool all = true;
  for (int listing = 0; listing < limits::kFindListingsMax; ++listing) {
    const bool listed = for_each_file(directory, [&](const std::string& name) {
      const auto facts = checkpoint::file_facts_at(directory.get(), name.c_str());
      if (facts) found.insert(facts->identity);
      all = all && (facts || facts.error().code == ErrorCode::kNotFound);
      return true;
    });
    all = all && listed;
  }
  if (!all) return Error{ErrorCode::kRetryable, "the directory cannot be listed completely"};
  return found;
}

DirectoryLook::ByBase DirectoryLook::list_all(const Fd& directory) {
  ByBase all;
  for_each_file(directory, [&](const std::string& name) {
    if (is_compressed(name)) return true;
    const auto base = rotated_base(name);
    if (!base) return true;
    if (auto file = regular_file(directory, name)) all[*base].push_back(std::move(*file));
    return true;
  });
  for (auto& [base, files] : all) sort_oldest_first(files);
  return all;
}

std::optional<std::vector<NamedFile>> DirectoryLook::rotated(const Fd& directory,
                                                             const std::string& base) {
  // A single question is cheaper on its own: only the files of its base are examined.
  if (++rotated_asked_ == 1) return rotated_files(directory, base);
  if (rotated_asked_ == 2) before_ = list_all(directory), after_ = list_all(directory);
  const auto first = before_.find(base), second = after_.find(base);
  if (first == before_.end() && second == after_.end()) return std::vector<NamedFile>();
  const bool settled =
      first != before_.end() && second != after_.end() && same(first->second, second->second);
  if (settled) return second->second;
  return rotated_files(directory, base);
}

std::optional<NamedFile> DirectoryLook::find(const Fd& directory,
                                             const checkpoint::FileIdentity& identity) {
  if (++find_asked_ == 1) {
    if (auto file = find_identity(directory, identity)) return file;
  }
  // readdir(3) may miss a file that is renamed meanwhile: if the first listing does not hold it,
  // one more is made.
  auto found = files_.find(identity);
  for (; found == files_.end() && listings_ < limits::kFindListingsMax; ++listings_) {
    for_each_file(directory, [&](const std::string& name) {
      if (auto file = regular_file(directory, name)) {
        files_.insert_or_assign(file->facts.identity, std::move(*file));
      }
      return true;
    });
    found = files_.find(identity);
  }
  return found == files_.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace longshore::agent
