// What one directory holds: the rotated files of a log, the file with a given identity. Names say
// which files to look at; device, inode and birth time say which one it is.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "agent/discovery/rotated_name.h"
#include "checkpoint/file_identity.h"
#include "config/directory.h"
#include "config/fd.h"
#include "config/result.h"

namespace longshore::agent {

/// A regular file under the name that it has, or just had, in its directory.
struct NamedFile {
  std::string file_name;
  checkpoint::FileFacts facts;
};

/// When a file was born, or last written to where the file system has no births.
int64_t age_ns(const checkpoint::FileFacts& facts);

/// The uncompressed files in `directory` that the log `base` may have been rotated to, by their
/// names, oldest first: by birth, or by the last write where the file system has no births. Only
/// files that were born at the same tick of the clock are ordered by their numbers, in the
/// direction in which the others run. Empty: files are being renamed so fast that no two listings
/// agree, so one may be missing; look again later.
/// `too_many` becomes true if there are more names than kDirectoryEntriesMax: the rest is not seen.
std::optional<std::vector<NamedFile>> rotated_files(const Fd& directory, const std::string& base,
                                                    bool* too_many = nullptr);

/// The compressed files that the log `base` was rotated to, oldest first by their last writes,
/// which compressing keeps. Not those that are being made: their uncompressed file is still there.
std::vector<NamedFile> compressed_files(const Fd& directory, const std::string& base);

/// When what `file` holds was last written to, at the latest: compressing keeps that time, but
/// bzip2 only its second.
int64_t last_write_ns(const NamedFile& file);

/// The same, of a file among others: one whose compressor did not keep that time, as kubelet's, was
/// written to before its compressed file was born, while the youngest uncompressed file of that
/// time was the log. `births`: those of the uncompressed files, sorted.
int64_t last_write_ns(const NamedFile& file, const std::vector<int64_t>& births);

/// Sorts by the last writes. Within a second in which not all of them are known exactly, by the
/// births of the compressed files: most are compressed in the order in which they were rotated.
template <typename Each, typename FileOf>
void sort_by_last_write(std::vector<Each>& all, FileOf file_of) {
  constexpr int64_t kSecondNs = 1'000'000'000;
  std::set<int64_t> rough;
  std::vector<int64_t> births;
  for (const Each& each : all) {
    const NamedFile& file = std::invoke(file_of, each);
    if (last_write_ns(file) != file.facts.modified_ns)
      rough.insert(last_write_ns(file) / kSecondNs);
    const int64_t born_ns = file.facts.identity.born_ns();
    if (!is_compressed(file.file_name) && born_ns != 0) births.push_back(born_ns);
  }
  std::ranges::sort(births);
  std::ranges::stable_sort(all, {}, [&](const Each& each) {
    const NamedFile& file = std::invoke(file_of, each);
    const int64_t written_ns = last_write_ns(file, births), second = written_ns / kSecondNs;
    const bool is_packed = is_compressed(file.file_name);
    const bool by_birth = rough.contains(second) && is_packed;
    const int64_t born_ns = file.facts.identity.born_ns();
    return std::tuple(second, rough.contains(second) && !by_birth, by_birth ? born_ns : written_ns,
                      is_packed ? born_ns : 0);
  });
}

/// Sorts `compressed` files into `plain` ones, by their last writes.
void merge_compressed(std::vector<NamedFile> compressed, std::vector<NamedFile>& plain);

/// Both kinds, oldest first by their last writes, as two equal listings have them. Empty: files are
/// being renamed too fast.
std::optional<std::vector<NamedFile>> all_rotated_files(const Fd& directory,
                                                        const std::string& base);

/// The names that the files in `directory` may have been rotated from, as far as they are `wanted`;
/// at most kFilesPerDeclarationMax. Thread: its owner's.
class RotatedLogs {
 public:
  explicit RotatedLogs(const Fd& directory);
  /// Lists about `names_max` names more. True: all are listed, or as many as there may be.
  bool list_on(const std::function<bool(const std::string&)>& wanted, size_t names_max);
  /// Takes out one of those that were found; empty: there are no more.
  std::optional<std::string> take();

 private:
  DirectoryNames names_;
  size_t seen_ = 0;
  std::set<std::string> logs_;
};

/// The regular file in `directory` that is `identity`, whatever its name but `other_than`.
std::optional<NamedFile> find_identity(const Fd& directory,
                                       const checkpoint::FileIdentity& identity,
                                       const std::string& other_than = {});

/// Every regular file in `directory`, even one that is renamed while it is listed. Errors:
/// kRetryable: some may be missing.
Result<std::set<checkpoint::FileIdentity>> identities_in(const Fd& directory);

/// Answers many questions about one directory from one look at it, so that a directory of N logs is
/// not listed N times. A file may have been renamed since: compare its identity when you open it.
/// Short-lived. Thread: its owner's.
class DirectoryLook {
 public:
  /// Prepares a large directory for questions, about `names_max` names at a time. True: it is
  /// prepared, or so small that each question may list it on its own.
  bool list_on(const Fd& directory, size_t names_max);
  /// As rotated_files(), compressed_files() and find_identity().
  std::optional<std::vector<NamedFile>> rotated(const Fd& directory, const std::string& base);
  std::vector<NamedFile> compressed(const Fd& directory, const std::string& base);
  std::optional<NamedFile> find(const Fd& directory, const checkpoint::FileIdentity& identity);
  /// As identities_in().
  Result<std::set<checkpoint::FileIdentity>> identities(const Fd& directory) const;
  /// Some were not seen.
  bool has_too_many_names() const { return too_many_; }

 private:
  // Every file that may be a rotated one, by the names that it may have been rotated from.
  struct Listing {
    std::vector<NamedFile> files;
    std::vector<std::pair<size_t, uint32_t>> by_base;  // A base's hash, where in `files`; sorted.
  };
  static std::vector<const NamedFile*> about(const Listing& listing, const std::string& base);
  bool agree_on(const std::string& base) const;
  static std::vector<NamedFile> all_in(const Listing& listing, const std::string& base);
  void list(const Fd& directory);
  void list_more(const Fd& directory, size_t names_max);
  void add(const Fd& directory, const std::string& name);

  size_t rotated_asked_ = 0, compressed_asked_ = 0, find_asked_ = 0;
  bool is_small_ = false, is_large_ = false;  // Not known yet: neither.
  bool is_listed_ = false, too_many_ = false, misses_some_ = false, listed_anew_ = false;
  int listings_ = 0;                       // How many listings files_ was made from.
  Listing before_, after_;                 // Two listings: where they agree, neither missed a file.
  std::unique_ptr<DirectoryNames> names_;  // Of the listing that is being made.
  size_t seen_ = 0;                        // Of these.
  bool is_second_ = false;
  std::map<checkpoint::FileIdentity, NamedFile> files_;
};

}  // namespace longshore::agent
