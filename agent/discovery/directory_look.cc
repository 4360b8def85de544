#include "agent/discovery/directory_look.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <tuple>
#include <utility>

#include "agent/discovery/rotated_name.h"
#include "config/directory.h"
#include "config/limits.h"

namespace longshore::agent {
namespace {

// So many names may be listed in one piece: a few milliseconds, even if all are examined.
constexpr size_t kSmallDirectory = 4 * limits::kScanListedAtOnce;

// Calls `visit` for each file until it returns false. Returns whether no file can have been missed;
// `too_many` becomes true if it is because of the limit.
template <typename Visit>
bool for_each_file(const Fd& directory, Visit visit, bool* too_many = nullptr) {
  Fd readable(::openat(directory.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!readable) return false;
  size_t seen = 0;
  const int failed = for_each_name(std::move(readable), [&](const char* name, unsigned char type) {
    if (++seen > limits::kDirectoryEntriesMax) return false;
    if (type != DT_REG && type != DT_UNKNOWN) return true;
    return visit(std::string(name));
  });
  const bool is_over = seen > limits::kDirectoryEntriesMax;
  if (is_over && too_many != nullptr) *too_many = true;
  return failed == 0 && !is_over;
}

std::optional<NamedFile> regular_file(const Fd& directory, const std::string& name) {
  const auto facts = checkpoint::file_facts_at(directory.get(), name.c_str());
  if (!facts || !S_ISREG(facts.value().mode)) return std::nullopt;
  return NamedFile{name, facts.value()};
}

bool is_older(const NamedFile& a, const NamedFile& b) {
  const int64_t left_ns = age_ns(a.facts), right_ns = age_ns(b.facts);
  return std::tie(left_ns, a.facts.modified_ns) < std::tie(right_ns, b.facts.modified_ns);
}

void sort_oldest_first(std::vector<NamedFile>& files, const std::string& base) {
  std::ranges::sort(files, is_older);
  // Whether numbers rise with time: log4j2's do, logrotate's fall.
  int rising = 0;
  std::optional<int> before;
  for (size_t i = 0; i < files.size(); ++i) {
    const auto number = rotation_number(files[i].file_name, base);
    if (number && before && is_older(files[i - 1], files[i])) rising += *number > *before ? 1 : -1;
    before = number;
  }
  std::ranges::stable_sort(files, [&](const NamedFile& a, const NamedFile& b) {
    if (is_older(a, b) || is_older(b, a)) return is_older(a, b);
    const auto left = rotation_number(a.file_name, base);
    const auto right = rotation_number(b.file_name, base);
    if (left && right) return rising > 0 ? *left < *right : *left > *right;
    return std::tuple(left.has_value(), a.file_name) < std::tuple(right.has_value(), b.file_name);
  });
}

void keep_plain(std::vector<NamedFile>& files, const std::string& base) {
  std::erase_if(files, [](const NamedFile& each) { return is_compressed(each.file_name); });
  sort_oldest_first(files, base);
}

// But for those whose uncompressed file is there.
void keep_compressed(std::vector<NamedFile>& files) {
  std::set<std::string> names;
  for (const NamedFile& each : files) names.insert(each.file_name);
  std::erase_if(files, [&](const NamedFile& each) {
    const std::string& name = each.file_name;
    return !is_compressed(name) || names.contains(name.substr(0, name.rfind('.')));
  });
  sort_by_last_write(files, std::identity());
}

std::vector<NamedFile> list_rotated(const Fd& directory, const std::string& base, bool* too_many) {
  std::vector<NamedFile> files;
  const auto visit = [&](const std::string& name) {
    if (is_compressed(name) || !is_rotated_from(name, base)) return true;
    if (auto file = regular_file(directory, name)) files.push_back(std::move(*file));
    return true;
  };
  for_each_file(directory, visit, too_many);
  sort_oldest_first(files, base);
  return files;
}

bool is_small(const Fd& directory) {
  DirectoryNames names(Fd(::openat(directory.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
  DirectoryName each;
  size_t seen = 0;
  while (seen <= kSmallDirectory && names.next(each)) ++seen;
  return seen <= kSmallDirectory;
}

bool same(const std::vector<NamedFile>& left, const std::vector<NamedFile>& right) {
  return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                    [](const NamedFile& a, const NamedFile& b) {
                      return a.file_name == b.file_name && a.facts.identity == b.facts.identity;
                    });
}

// readdir(3) may miss a file that is renamed meanwhile; two equal listings have missed none.
std::optional<std::vector<NamedFile>> list_until_same(const Fd& directory, const std::string& base,
                                                      int again_max, bool* too_many) {
  std::vector<NamedFile> files = list_rotated(directory, base, too_many);
  for (int again = 0; again < again_max; ++again) {
    std::vector<NamedFile> now = list_rotated(directory, base, too_many);
    if (same(files, now)) return files;
    files = std::move(now);
  }
  return std::nullopt;
}

}  // namespace

int64_t age_ns(const checkpoint::FileFacts& facts) {
  const int64_t born_ns = facts.identity.born_ns();
  return born_ns != 0 ? born_ns : facts.modified_ns;
}

std::optional<std::vector<NamedFile>> rotated_files(const Fd& directory, const std::string& base,
                                                    bool* too_many) {
  return list_until_same(directory, base, limits::kListingsMax, too_many);
}

std::vector<NamedFile> compressed_files(const Fd& directory, const std::string& base) {
  std::vector<NamedFile> files;
  for_each_file(directory, [&](const std::string& name) {
    if (!is_rotated_from(name, base)) return true;
    if (auto file = regular_file(directory, name)) files.push_back(std::move(*file));
    return true;
  });
  keep_compressed(files);
  return files;
}

int64_t last_write_ns(const NamedFile& file) {
  constexpr int64_t kSecondNs = 1'000'000'000;
  const int64_t modified_ns = file.facts.modified_ns;
  const bool is_rough = is_compressed(file.file_name) && modified_ns % kSecondNs == 0;
  return modified_ns + (is_rough ? kSecondNs - 1 : 0);
}

int64_t last_write_ns(const NamedFile& file, const std::vector<int64_t>& births) {
  const int64_t born_ns = file.facts.identity.born_ns();
  const bool is_kept = file.facts.modified_ns < born_ns || born_ns == 0;
  if (is_kept || !is_compressed(file.file_name)) return last_write_ns(file);
  const auto later = std::ranges::lower_bound(births, born_ns);
  return later == births.begin() ? born_ns : *std::prev(later) - 1;
}

void merge_compressed(std::vector<NamedFile> compressed, std::vector<NamedFile>& plain) {
  if (compressed.empty()) return;
  std::ranges::move(compressed, std::back_inserter(plain));
  sort_by_last_write(plain, std::identity());
}

std::optional<std::vector<NamedFile>> all_rotated_files(const Fd& directory,
                                                        const std::string& base) {
  const auto list = [&] {
    std::vector<NamedFile> plain, compressed;
    for_each_file(directory, [&](const std::string& name) {
      if (!is_rotated_from(name, base)) return true;
      if (auto file = regular_file(directory, name)) plain.push_back(std::move(*file));
      return true;
    });
    compressed = plain;
    keep_plain(plain, base);
    keep_compressed(compressed);
    merge_compressed(std::move(compressed), plain);
    return plain;
  };
  std::vector<NamedFile> files = list();
  for (int again = 0; again < limits::kListingsMax; ++again) {
    std::vector<NamedFile> now = list();
    if (same(files, now)) return files;
    files = std::move(now);
  }
  return std::nullopt;
}

RotatedLogs::RotatedLogs(const Fd& directory)
    : names_(Fd(::openat(directory.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC))) {}

bool RotatedLogs::list_on(const std::function<bool(const std::string&)>& wanted, size_t names_max) {
  DirectoryName each;
  for (size_t listed = 0; listed < names_max; ++listed) {
    const bool may_go_on =
        seen_ < limits::kDirectoryEntriesMax && logs_.size() < limits::kFilesPerDeclarationMax;
    if (!may_go_on || !names_.next(each)) return true;
    ++seen_;
    if (each.type != DT_REG && each.type != DT_UNKNOWN) continue;
    std::vector<std::string> bases = rotated_bases(each.name);
    std::erase_if(bases, [&](const std::string& base) { return !wanted(base); });
    // "app.1.log" is the log's name that "app.1.log.gz" had before, but not the first one.
    if (is_compressed(each.name) && !bases.empty()) {
      bases.erase(bases.begin(), std::prev(bases.end()));
    }
    std::ranges::move(bases, std::inserter(logs_, logs_.end()));
  }
  return false;
}

std::optional<std::string> RotatedLogs::take() {
  if (logs_.empty()) return std::nullopt;
  return std::move(logs_.extract(logs_.begin()).value());
}

std::optional<NamedFile> find_identity(const Fd& directory,
                                       const checkpoint::FileIdentity& identity,
                                       const std::string& other_than) {
  std::optional<NamedFile> found;
  for_each_file(directory, [&](const std::string& name) {
    auto file = name == other_than ? std::nullopt : regular_file(directory, name);
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

void DirectoryLook::add(const Fd& directory, const std::string& name) {
  const std::vector<std::string> bases = rotated_bases(name);
  // In a large directory every file is examined now, so that find() need not later.
  if (bases.empty() && !is_large_) return;
  const auto facts = checkpoint::file_facts_at(directory.get(), name.c_str());
  misses_some_ = misses_some_ || (!facts && facts.error().code != ErrorCode::kNotFound);
  if (!facts || !S_ISREG(facts->mode)) return;
  NamedFile file{name, *facts};
  if (is_large_) files_.insert_or_assign(facts->identity, file);
  if (bases.empty()) return;
  Listing& listing = is_second_ ? after_ : before_;
  const auto at = static_cast<uint32_t>(listing.files.size());
  listing.files.push_back(std::move(file));
  for (const std::string& base : bases) {
    listing.by_base.emplace_back(std::hash<std::string>()(base), at);
  }
}

void DirectoryLook::list_more(const Fd& directory, size_t names_max) {
  DirectoryName each;
  for (size_t listed = 0; !is_listed_ && listed < names_max; ++listed) {
    if (names_ == nullptr) {
      Fd readable(::openat(directory.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
      names_ = std::make_unique<DirectoryNames>(std::move(readable));
      seen_ = 0;
    }
    if (names_->next(each) && ++seen_ <= limits::kDirectoryEntriesMax) {
      if (each.type == DT_REG || each.type == DT_UNKNOWN) add(directory, each.name);
      continue;
    }
    misses_some_ = misses_some_ || names_->error() != 0;
    too_many_ = too_many_ || seen_ > limits::kDirectoryEntriesMax;
    std::ranges::sort((is_second_ ? after_ : before_).by_base);
    names_.reset();
    is_listed_ = std::exchange(is_second_, true);
  }
}

bool DirectoryLook::list_on(const Fd& directory, size_t names_max) {
  if (is_small_) return true;
  if (!is_large_) {
    is_small_ = is_small(directory);
    if (is_small_) return true;
    before_ = after_ = {};
    is_large_ = true;
    is_listed_ = is_second_ = false;
  }
  list_more(directory, names_max);
  if (is_listed_) listings_ = limits::kFindListingsMax;
  return is_listed_;
}

// Those of `base`, and perhaps others.
std::vector<const NamedFile*> DirectoryLook::about(const Listing& listing,
                                                   const std::string& base) {
  std::vector<const NamedFile*> files;
  const size_t hash = std::hash<std::string>()(base);
  for (auto at = std::ranges::lower_bound(listing.by_base, std::pair(hash, uint32_t{0}));
       at != listing.by_base.end() && at->first == hash; ++at) {
    files.push_back(&listing.files[at->second]);
  }
  return files;
}

std::vector<NamedFile> DirectoryLook::all_in(const Listing& listing, const std::string& base) {
  std::vector<NamedFile> files;
  for (const NamedFile* const file : about(listing, base)) {
    if (is_rotated_from(file->file_name, base)) files.push_back(*file);
  }
  return files;
}

// Whether the two listings hold the same files of `base`.
bool DirectoryLook::agree_on(const std::string& base) const {
  auto before = about(before_, base), after = about(after_, base);
  const auto order = [](const NamedFile* file) {
    return std::tie(file->facts.identity, file->file_name);
  };
  std::erase_if(before, [](const NamedFile* file) { return is_compressed(file->file_name); });
  std::erase_if(after, [](const NamedFile* file) { return is_compressed(file->file_name); });
  std::ranges::sort(before, {}, order);
  std::ranges::sort(after, {}, order);
  return std::ranges::equal(before, after, {}, order, order);
}

void DirectoryLook::list(const Fd& directory) { list_more(directory, SIZE_MAX); }

std::vector<NamedFile> DirectoryLook::compressed(const Fd& directory, const std::string& base) {
  if (!is_listed_ && ++compressed_asked_ == 1) return compressed_files(directory, base);
  list(directory);
  std::vector<NamedFile> files = all_in(after_, base);
  keep_compressed(files);
  return files;
}

std::optional<std::vector<NamedFile>> DirectoryLook::rotated(const Fd& directory,
                                                             const std::string& base) {
  // A single question is cheaper on its own: only the files of its base are examined.
  if (!is_large_ && ++rotated_asked_ == 1) return rotated_files(directory, base, &too_many_);
  list(directory);
  if (agree_on(base)) {
    std::vector<NamedFile> files = all_in(after_, base);
    keep_plain(files, base);
    return files;
  }
  // Anybody can rename files in there all the time: that must not cost a listing for each of them,
  // nor one of many files.
  if (std::exchange(listed_anew_, true) || about(after_, base).size() > kSmallDirectory) {
    return std::nullopt;
  }
  return list_until_same(directory, base, is_large_ ? 1 : limits::kListingsMax, &too_many_);
}

std::optional<NamedFile> DirectoryLook::find(const Fd& directory,
                                             const checkpoint::FileIdentity& identity) {
  if (!is_large_ && ++find_asked_ == 1) {
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

Result<std::set<checkpoint::FileIdentity>> DirectoryLook::identities(const Fd& directory) const {
  if (!is_large_) return identities_in(directory);
  if (!is_listed_ || too_many_ || misses_some_)
    return Error{ErrorCode::kRetryable, "the directory cannot be listed completely"};
  std::set<checkpoint::FileIdentity> found;
  for (const auto& [identity, file] : files_) found.insert(identity);
  return found;
}

}  // namespace longshore::agent
