// Decides which file is which generation of which source: whether a file has been rotated, and in
// which order the files of a source are read. Changes nothing; the caller opens the files that it
// is told to open.
//
//   FoundFile, DirectoryLook, KnownSources --> Rotation --> NextGeneration, oldest first
//
// Identity decides, names only find candidates, and the birth of a file tells what came after what.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "agent/discovery/directory_look.h"
#include "agent/discovery/known_sources.h"
#include "agent/files/container_fs.h"

namespace longshore::agent {

/// A file to be opened as the next generation of a source.
struct NextGeneration {
  NamedFile file;
  uint64_t start_offset = 0;  ///< Where to begin if the source has never been read.
  bool gap_before = false;    ///< Other generations may have come and gone unseen before it.
};

/// In the order in which they are to be read. Empty: the directory changes so fast that the order
/// is not certain; look again later.
using NextGenerations = std::optional<std::vector<NextGeneration>>;

/// Thread: the watch loop.
class Rotation {
 public:
  /// What was written before `alive_ns` was seen by an agent, or is history.
  Rotation(const KnownSources& sources, int64_t alive_ns)
      : sources_(sources), alive_ns_(alive_ns) {}

  /// The source that `file` belongs to, which may be its own. Empty: it is compressed, or a rotated
  /// file of a log that is known or stands in `found_paths`, and is read as part of that one.
  std::optional<SourceId> source_of(const FoundFile& file, Stream stream,
                                    const std::unordered_set<std::string_view>& found_paths) const;

  /// What follows the newest known generation of `source`; `file`, which has the log's name now,
  /// comes last. If nobody follows the source, that newest generation is the checkpoint's and not
  /// open yet, so it comes first.
  NextGenerations after_newest(const KnownSource& source, const FoundFile& file,
                               DirectoryLook& look) const;

  /// All of a source that was never read and begins at `offset` of `file`.
  NextGenerations of_new_source(const Declaration& declaration, const FoundFile& file,
                                uint64_t offset, DirectoryLook& look) const;

  /// The files that `file` was rotated to and that nobody has read, oldest first; see
  /// of_new_source().
  std::optional<std::vector<NamedFile>> unread(const Declaration& declaration,
                                               const FoundFile& file, DirectoryLook& look) const;

  /// The file in `directory` in which `source` continues when its log no longer has its name: the
  /// newest generation under another name, or else the newest file that it was rotated to since.
  std::optional<NamedFile> renamed_to(const KnownSource& source, const Fd& directory,
                                      DirectoryLook& look) const;

  /// The newest of `rotated` if it came after every known generation of `source`; else nullptr.
  const NamedFile* successor(const KnownSource& source,
                             const std::vector<NamedFile>& rotated) const;

  /// The copy that logrotate's copytruncate left of `source` in `directory`: the youngest of its
  /// rotated files that belongs to no source.
  std::optional<NamedFile> copy_of(const KnownSource& source, const Fd& directory) const;

 private:
  bool is_known(const checkpoint::FileIdentity& file, Stream stream) const {
    return sources_.source_of(file, stream).has_value();
  }

  const KnownSources& sources_;
  const int64_t alive_ns_;
};

}  // namespace longshore::agent
