#include "agent/discovery/rotation.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <memory>
#include <tuple>

namespace longshore::agent {
namespace {

constexpr size_t kEntriesMax = 200'000;
constexpr size_t kNumberDigitsMax = 5;
constexpr int kListingsMax = 10;
constexpr int kFindListsMax = 2;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string_view without_compression(std::string_view name) {
  for (const std::string_view suffix : {".gz", ".zst", ".bz2", ".xz"}) {
    if (name.ends_with(suffix)) return name.substr(0, name.size() - suffix.size());
  }
  return name;
}

// "20261121", "2026-11-21", either with further numbers behind it.
bool is_date(std::string_view text) {
  size_t digits = 0;
  for (const char c : text) {
    if (is_digit(c)) {
      ++digits;
    } else if (c != '-' && c != '_' && c != 'T' && c != '.') {
      return false;
    }
  }
  return digits >= 8 && digits <= 20 && !text.empty() && is_digit(text.front());
}

// The rotation number of "x.log.7"; -1 where there is none.
int rotation_number(std::string_view name) {
  const size_t dot = name.rfind('.');
  if (dot == std::string_view::npos) return -1;
  const std::string_view digits = name.substr(dot + 1);
  if (digits.empty() || digits.size() > kNumberDigitsMax) return -1;
  int number = 0;
  const auto [end, error] = std::from_chars(digits.begin(), digits.end(), number);
  return error == std::errc() && end == digits.end() ? number : -1;
}

// Until `visit` says no. false: there may be files that it was not called for.
template <typename Visit>
bool for_each_file(const Fd& directory, Visit visit) {
  const int fd = ::openat(directory.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return false;
  const std::unique_ptr<DIR, int (*)(DIR*)> entries(::fdopendir(fd), ::closedir);
  if (entries == nullptr) {
    ::close(fd);
    return false;
  }
  size_t seen = 0;
  for (errno = 0;; errno = 0) {
    const dirent* entry = ::readdir(entries.get());
    if (entry == nullptr) return errno == 0;
    if (++seen > kEntriesMax) return false;
    if (entry->d_type != DT_REG && entry->d_type != DT_UNKNOWN) continue;
    if (!visit(std::string(entry->d_name))) return true;
  }
}

std::optional<Sibling> regular_file(const Fd& directory, const std::string& name) {
  const auto facts = checkpoint::file_facts_at(directory.get(), name.c_str());
  if (!facts || !S_ISREG(facts.value().mode)) return std::nullopt;
  return Sibling{name, facts.value()};
}

}  // namespace

bool is_compressed(std::string_view file_name) {
  return without_compression(file_name).size() != file_name.size();
}

std::optional<std::string> rotated_base(std::string_view file_name) {
  const std::string_view name = without_compression(file_name);
  if (rotation_number(name) >= 0) {
    const std::string_view base = name.substr(0, name.rfind('.'));
    if (!base.empty()) return std::string(base);
  }
  for (size_t at = 1; at < name.size(); ++at) {
    if ((name[at] == '.' || name[at] == '-') && is_date(name.substr(at + 1))) {
      return std::string(name.substr(0, at));
    }
  }
  return std::nullopt;
}

namespace {

void sort_oldest_first(std::vector<Sibling>& siblings) {
  std::sort(siblings.begin(), siblings.end(), [](const Sibling& a, const Sibling& b) {
    const int left = rotation_number(a.file_name), right = rotation_number(b.file_name);
    if (left != right) return left < 0 || (right >= 0 && left > right);
    const int64_t left_ns = a.facts.identity.born_ns(), right_ns = b.facts.identity.born_ns();
    return std::tie(left_ns, a.file_name) < std::tie(right_ns, b.file_name);
  });
}

std::vector<Sibling> list_siblings(const Fd& directory, const std::string& base) {
  std::vector<Sibling> siblings;
  for_each_file(directory, [&](const std::string& name) {
    if (is_compressed(name) || rotated_base(name) != base) return true;
    if (auto file = regular_file(directory, name)) siblings.push_back(std::move(*file));
    return true;
  });
  sort_oldest_first(siblings);
  return siblings;
}

bool same(const std::vector<Sibling>& left, const std::vector<Sibling>& right) {
  return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                    [](const Sibling& a, const Sibling& b) {
                      return a.file_name == b.file_name && a.facts.identity == b.facts.identity;
                    });
}

}  // namespace

std::optional<std::vector<Sibling>> rotated_siblings(const Fd& directory, const std::string& base) {
  // readdir(3) may pass over a file that is renamed while it lists: two equal lists did not.
  std::vector<Sibling> siblings = list_siblings(directory, base);
  for (int again = 0; again < kListingsMax; ++again) {
    std::vector<Sibling> now = list_siblings(directory, base);
    if (same(siblings, now)) return siblings;
    siblings = std::move(now);
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

std::optional<Sibling> find_identity(const Fd& directory,
                                     const checkpoint::FileIdentity& identity) {
  std::optional<Sibling> found;
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
  for (int list = 0; list < kFindListsMax; ++list) {
    const bool listed = for_each_file(directory, [&](const std::string& name) {
      const auto facts = checkpoint::file_facts_at(directory.get(), name.c_str());
      if (facts) found.insert(facts->identity);
      all = all && (facts || facts.error().code == ErrorCode::kNotFound);
      return true;
    });
    all = all && listed;
  }
  if (!all) return Error{ErrorCode::kRetryable, "A directory cannot be listed."};
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
  for (auto& [base, siblings] : all) sort_oldest_first(siblings);
  return all;
}

std::optional<std::vector<Sibling>> DirectoryLook::rotated(const Fd& directory,
                                                           const std::string& base) {
  // One question alone is cheaper asked for itself: it looks only at the files of its base.
  if (++rotated_asked_ == 1) return rotated_siblings(directory, base);
  if (rotated_asked_ == 2) before_ = list_all(directory), after_ = list_all(directory);
  const auto first = before_.find(base), second = after_.find(base);
  if (first == before_.end() && second == after_.end()) return std::vector<Sibling>();
  const bool settled =
      first != before_.end() && second != after_.end() && same(first->second, second->second);
  if (settled) return second->second;
  return rotated_siblings(directory, base);
}

std::optional<Sibling> DirectoryLook::find(const Fd& directory,
                                           const checkpoint::FileIdentity& identity) {
  if (++find_asked_ == 1) {
    if (auto file = find_identity(directory, identity)) return file;
  }
  // readdir(3) may pass over a file that is renamed while it lists: what is not in the first list
  // is looked for in a second one, made once.
  auto found = files_.find(identity);
  for (; found == files_.end() && lists_ < kFindListsMax; ++lists_) {
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
